// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"hash/maphash"
)

const softwareNone = "none"

// families remember what software said of a User-Agent by a hash of it under a seed of this process:
// clients say the same again and again, and the text itself is not kept. The zero value is ready.
type families struct {
	seed  maphash.Seed
	known []struct {
		ua     uint64
		family string
	}
}

// maxFamilies bounds them; a newer User-Agent takes the place of an older one.
const maxFamilies = 256

func (f *families) of(ua []byte) string {
	if f.known == nil {
		f.seed, f.known = maphash.MakeSeed(), make([]struct {
			ua     uint64
			family string
		}, maxFamilies)
	}
	if len(ua) > maxUserAgent {
		ua = ua[:maxUserAgent]
	}
	h := maphash.Bytes(f.seed, ua)
	k := &f.known[h%maxFamilies]
	if k.ua != h || k.family == "" {
		k.ua, k.family = h, software(ua)
	}
	return k.family
}

// maxUserAgent is how much of a User-Agent is looked at.
const maxUserAgent = 512

// software names the family of a User-Agent from a fixed list; the text itself is never told.
func software(ua []byte) string {
	if len(ua) > maxUserAgent {
		ua = ua[:maxUserAgent]
	}
	if ua = trim(ua); len(ua) == 0 {
		return softwareNone
	}
	if bytes.HasPrefix(ua, []byte("Mozilla/")) || bytes.HasPrefix(ua, []byte("Opera/")) {
		return browser(ua)
	}
	word := ua
	if i := bytes.IndexAny(ua, "/ ("); i >= 0 {
		word = ua[:i]
	}
	var room [maxNameLen]byte
	low, ok := lower(room[:0], word)
	if !ok {
		return "other"
	}
	if family := tool(low); family != "" {
		return family
	}
	switch {
	case bytes.Contains(ua, []byte("CFNetwork/")):
		return "cfnetwork"
	case bytes.Contains(ua, []byte("aiohttp/")):
		return "aiohttp"
	case bytes.Contains(ua, []byte("okhttp/")):
		return "okhttp"
	case bytes.Contains(ua, []byte("AHC/")), bytes.Contains(ua, []byte("Java/")):
		return "java"
	case isBot(ua):
		return "bot"
	}
	return "other"
}

// tool knows the first word of programs and libraries.
func tool(low []byte) string {
	switch string(low) {
	case "curl":
		return "curl"
	case "wget":
		return "wget"
	case "python-requests":
		return "python-requests"
	case "python-urllib":
		return "python-urllib"
	case "python-httpx":
		return "python-httpx"
	case "aiohttp":
		return "aiohttp"
	case "okhttp":
		return "okhttp"
	case "axios":
		return "axios"
	case "node-fetch":
		return "node-fetch"
	case "undici":
		return "undici"
	case "got":
		return "got"
	case "superagent":
		return "superagent"
	case "dart":
		return "dart"
	case "scrapy":
		return "scrapy"
	case "k6":
		return "k6"
	case "insomnia":
		return "insomnia"
	case "httpie":
		return "httpie"
	case "hey":
		return "hey"
	case "wrk":
		return "wrk"
	case "reqwest":
		return "reqwest"
	case "hyper":
		return "hyper"
	case "restsharp":
		return "restsharp"
	case "faraday":
		return "faraday"
	case "typhoeus":
		return "typhoeus"
	case "prometheus":
		return "prometheus"
	case "locust":
		return "locust"
	case "grpc-go":
		return "grpc-go"
	case "kube-probe":
		return "kube-probe"
	case "colly":
		return "colly"
	case "ab":
		return "ab"
	case "vegeta":
		return "vegeta"
	case "go-http-client", "go-resty":
		return "go"
	case "postmanruntime":
		return "postman"
	case "apache-httpclient", "apache-httpasyncclient", "jersey", "java", "java-http-client":
		return "java"
	case "ruby", "rest-client", "http.rb", "httparty":
		return "ruby"
	case "guzzlehttp", "php", "symfony":
		return "php"
	case "libwww-perl", "lwp":
		return "perl"
	case "node", "node.js":
		return "node"
	case "python":
		return "aiohttp"
	case "dalvik":
		return "android"
	case "grpc-java-netty", "grpc-java-okhttp":
		return "grpc-java"
	case "grpc-python", "grpc-python-asyncio":
		return "grpc-python"
	case "grpc-node", "grpc-node-js":
		return "grpc-node"
	case "elb-healthchecker", "googlehc", "amazon-route53-health-check-service", "consul":
		return "health-check"
	}
	return ""
}

func browser(ua []byte) string {
	for _, f := range [...]struct{ mark, family string }{
		{"HeadlessChrome/", "headless-chrome"}, {"Edg", "edge"}, {"OPR/", "opera"}, {"Opera", "opera"},
		{"SamsungBrowser/", "samsung"}, {"Firefox/", "firefox"}, {"FxiOS/", "firefox"},
		{"Chrome/", "chrome"}, {"CriOS/", "chrome"},
	} {
		if bytes.Contains(ua, []byte(f.mark)) {
			return f.family
		}
	}
	switch {
	case isBot(ua):
		return "bot"
	case bytes.Contains(ua, []byte("Safari/")):
		return "safari"
	case bytes.Contains(ua, []byte("AppleWebKit/")):
		return "webview"
	case bytes.Contains(ua, []byte("Trident/")), bytes.Contains(ua, []byte("MSIE ")):
		return "ie"
	case bytes.Contains(ua, []byte("PowerShell/")):
		return "powershell"
	}
	return "browser"
}

func isBot(ua []byte) bool {
	for _, w := range [...]string{"bot", "Bot", "spider", "Spider", "crawler", "Crawler"} {
		if bytes.Contains(ua, []byte(w)) {
			return true
		}
	}
	return false
}

// SPDX-License-Identifier: Apache-2.0

package template

import "bytes"

// The lists are switches on strings: the compiler looks them up without a table and without
// allocating, and nothing can change them.

// isGeneric knows static segments that name an action or a place and no collection: the class of
// "/customers/search" is customers.
func isGeneric(s []byte) bool {
	switch string(s) {
	case "search", "list", "all", "find", "query", "filter", "export", "download", "batch", "bulk",
		"latest", "recent", "lookup", "page", "api", "rest", "public", "internal", "$batch":
		return true
	}
	return false
}

// isExtension knows file extensions that may stand behind an id.
func isExtension(s []byte) bool {
	switch string(s) {
	case "json", "xml", "csv", "ndjson", "jsonl", "html", "htm", "txt", "pdf", "zip", "gz", "tar",
		"png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "avif", "bmp", "mp3", "mp4", "webm", "mov",
		"css", "js", "mjs", "map", "woff", "woff2", "ttf", "otf", "eot", "wasm", "ics", "vcf", "xlsx",
		"xls", "docx", "doc", "pptx", "php", "asp", "aspx", "jsp", "do", "yaml", "yml", "md", "ts", "m3u8":
		return true
	}
	return false
}

func isVerb(s []byte) bool {
	switch string(s) {
	case "cancel", "archive", "unarchive", "restore", "delete", "undelete", "export", "import", "search",
		"lookup", "move", "copy", "clone", "approve", "reject", "enable", "disable", "publish", "close",
		"reopen", "batchGet", "batchDelete", "batchUpdate", "batchCreate", "count", "download", "validate":
		return true
	}
	return false
}

// isSecretWord knows static segments after which a secret often stands.
func isSecretWord(s []byte) bool {
	switch string(bytes.TrimRight(s, "s")) {
	case "token", "key", "apikey", "api-key", "api_key", "secret", "reset", "password-reset",
		"reset-password", "password", "verify", "verification", "confirm", "confirmation", "activate",
		"invite", "invitation", "magic", "unsubscribe", "session", "auth", "webhook", "hook", "share",
		"download", "signed", "otp", "code":
		return true
	}
	return false
}

// hasSecretPrefix knows the prefixes that issuers put before their secrets so that scanners find them.
func hasSecretPrefix(s []byte) bool {
	if len(s) < 7 {
		return false
	}
	var rest string
	switch string(s[:3]) {
	case "sk_", "pk_", "rk_", "eyJ":
		return true
	case "tok", "ghp", "gho", "ghs", "ghu", "npm", "pat":
		rest = "_"
	case "git":
		rest = "hub_pat_"
	case "glp":
		rest = "at-"
	case "xox":
		return (s[3] == 'b' || s[3] == 'p' || s[3] == 'a') && s[4] == '-'
	case "AKI", "ASI":
		rest = "A"
	case "whs":
		rest = "ec_"
	case "shp":
		rest = "at_"
	case "sec":
		rest = "ret_"
	default:
		return false
	}
	return len(s) >= 3+len(rest)+4 && string(s[3:3+len(rest)]) == rest
}

// isPlural says whether a static segment reads like the name of a collection.
func isPlural(s []byte) bool {
	n := len(s)
	return n >= 4 && s[n-1]|0x20 == 's' && s[n-2]|0x20 != 's'
}

// isWordWithDigits knows words of routes that would look like ids.
func isWordWithDigits(s []byte) bool {
	switch string(s) {
	case "sha256", "sha384", "sha512", "x509", "iso8601", "rsa2048", "oauth2", "saml2", "scim2", "i18n",
		"l10n", "k8s", "a11y", "s3", "ec2", "b2b", "b2c", "h264", "web3", "utf8", "base64", "md5", "ipv4", "ipv6":
		return true
	}
	return false
}

// tellableName says whether a query name is a name. Without a value the "name" may be the value
// ("?c29tZSBzZWNyZXQ"), so it must be a short word.
func tellableName(s []byte, hasValue bool) bool {
	if len(s) == 0 || !hasValue && len(s) > 24 {
		return false
	}
	bare := 0
	for _, c := range s {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '_', c == '-', c == '.', c == '$':
		case c == '[', c == ']':
			bare++
		default:
			return false
		}
	}
	if bare > 0 {
		return !bracketsHoldValues(s)
	}
	return !idLike(s, nil)
}

// bracketsHoldValues looks at each part of a name like "filter[status]".
func bracketsHoldValues(s []byte) bool {
	for len(s) > 0 {
		i := bytes.IndexAny(s, "[]")
		if i < 0 {
			i = len(s)
		}
		if idLike(s[:i], nil) {
			return true
		}
		s = s[min(i+1, len(s)):]
	}
	return false
}

// SPDX-License-Identifier: Apache-2.0

package inspect

import "bytes"

type media uint8

const (
	mediaJSON     media = iota + 1
	mediaNDJSON         // one JSON value after another
	mediaMaybe          // text, binary or no type at all: often JSON, always data
	mediaPage           // a page for people: counts only if it turns out to be JSON
	mediaData           // carries data that is not read
	mediaGRPC           // messages behind a flag and a length each
	mediaGRPCWeb        // the same, and the trailers as the last
	mediaGRPCText       // the same as base64
	mediaConnect        // Connect's streams: the same, and a message of their own at the end
	mediaOther          // carries none: images, styles, scripts, fonts, media
)

// onlyIfJSON says that a body which is not JSON is no data.
func (m media) onlyIfJSON() bool { return m == mediaPage }

// isMessages says that the body is a sequence of messages, each behind its length.
func (m media) isMessages() bool { return mediaGRPC <= m && m <= mediaConnect }

// mediaOf sorts media types. What is not known to carry no data is taken to carry some: a thief
// must not hide behind an odd type.
func mediaOf(t []byte) media {
	switch string(t) {
	case "application/json", "text/json", "application/x-json":
		return mediaJSON
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
		"application/jsonlines", "application/json-lines", "text/x-ndjson":
		return mediaNDJSON
	case "", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded":
		return mediaMaybe
	case "text/html", "application/xhtml+xml", "text/javascript":
		return mediaPage
	case "text/css", "application/javascript", "application/x-javascript", "application/ecmascript",
		"application/wasm", "application/manifest+json", "text/vtt", "application/font-woff",
		"application/vnd.ms-fontobject", "application/x-font-ttf", "application/opensearchdescription+xml",
		"application/dash+xml", "application/vnd.apple.mpegurl", "application/x-mpegurl", "application/ocsp-response":
		return mediaOther
	}
	for _, p := range [...]string{"image/", "video/", "audio/", "font/"} {
		if len(t) > len(p) && string(t[:len(p)]) == p {
			return mediaOther
		}
	}
	if m := messagesOf(t); m != 0 {
		return m
	}
	if bytes.HasSuffix(t, []byte("+json")) {
		return mediaJSON
	}
	return mediaData
}

// messagesOf knows the media types of gRPC and its kin: "application/grpc" [("+proto" / "+json" / {custom})].
func messagesOf(t []byte) media {
	base, _, custom := bytes.Cut(t, []byte("+"))
	switch string(base) {
	case "application/grpc":
		return mediaGRPC
	case "application/grpc-web":
		return mediaGRPCWeb
	case "application/grpc-web-text":
		return mediaGRPCText
	case "application/connect":
		if custom {
			return mediaConnect
		}
	}
	return 0
}

type coding uint8

const (
	codingNone coding = iota + 1
	codingGzip
	codingDeflate
	codingZstd
	codingUnknown
)

// codingOf knows the content codings that are undone (RFC 9110 section 8.4.1, RFC 8878). A list of
// codings is not.
func codingOf(t []byte) coding {
	var room [16]byte
	if t = bytes.TrimSpace(t); len(t) > len(room) {
		return codingUnknown
	}
	for i, c := range t {
		room[i] = lowerByte(c)
	}
	switch string(room[:len(t)]) {
	case "", "identity":
		return codingNone
	case "gzip", "x-gzip":
		return codingGzip
	case "deflate":
		return codingDeflate
	case "zstd":
		return codingZstd
	}
	return codingUnknown
}

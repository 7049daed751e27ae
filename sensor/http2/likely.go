// SPDX-License-Identifier: Apache-2.0

package http2

// farStream is the highest stream that is believed of a connection of which nothing is known.
const farStream = 1 << 24

// Likely says whether bytes may begin with a frame and go on with frames as far as they reach: the first look
// at a connection of which nothing is known. Random bytes pass less than once in 2^30.
func Likely(b []byte) bool {
	if len(b) < frameHeader {
		return false
	}
	for len(b) >= frameHeader {
		f := parseFrame(b)
		if int(f.kind) >= len(definedFlags) || f.flags&^definedFlags[f.kind] != 0 || b[5] >= 0x80 ||
			f.length > defaultFrame || f.stream > farStream || !f.fits() {
			return false
		}
		b = b[min(len(b), frameHeader+f.length):]
	}
	return true
}

// SPDX-License-Identifier: Apache-2.0

package checkpoint

// Points are the places between the writes of a save, in order.
var Points = []string{"chunk", "manifest", "named", "removed"}

// StopAt makes the store fail at a point, as if the process had died there.
func (s *Store) StopAt(fault func(point string) error) { s.fault = fault }

// EncodeChunk and DecodeChunk are the codec of chunks.
func EncodeChunk(st *State) []byte              { return encodeChunk(st) }
func DecodeChunk(st *State, chunk []byte) error { return decodeChunk(st, chunk) }
func ParseFile(data []byte) ([]State, error)    { return parseFile(data) }

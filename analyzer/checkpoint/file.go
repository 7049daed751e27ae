// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A state file is
//
//	+----------------------+-----------------+------------------------------+-----------+
//	| "weirstate" 0x00     | n states,       | n x partition, generation,   | SHA-256   |
//	| version (1)          | varint          | chunk length (varints), chunk| of before |
//	+----------------------+-----------------+------------------------------+-----------+
//
// with one chunk that holds all of a partition's state.
const (
	fileMagic   = "weirstate\x00"
	fileVersion = 1
)

// SaveFile writes states to a file, all or nothing: into a temporary file beside it, made durable,
// then renamed. Only its owner can read the file.
func SaveFile(path string, states []State) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("save state to %s: %w", path, err)
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err := writeStates(tmp, states); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeStates(f io.Writer, states []State) error {
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	head := append([]byte(fileMagic), fileVersion)
	if _, err := w.Write(binary.AppendUvarint(head, uint64(len(states)))); err != nil {
		return err
	}
	for i := range states {
		st := &states[i]
		chunk := encodeChunk(st)
		head := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(st.Partition)), st.Generation)
		if _, err := w.Write(binary.AppendUvarint(head, uint64(len(chunk)))); err != nil {
			return err
		}
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := f.Write(sum.Sum(nil))
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// LoadFile reads a file that SaveFile wrote, and refuses one that is damaged.
func LoadFile(path string) ([]State, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load state: %w", err)
	}
	states, err := parseFile(data)
	if err != nil {
		return nil, fmt.Errorf("load state from %s: %w", path, err)
	}
	return states, nil
}

func parseFile(data []byte) ([]State, error) {
	head := len(fileMagic) + 1
	if len(data) < head+sha256.Size || string(data[:len(fileMagic)]) != fileMagic {
		return nil, errors.New("this is no state file of weir")
	}
	if v := data[head-1]; v != fileVersion {
		return nil, fmt.Errorf("the file has version %d, this program reads version %d: use the program that wrote it or a newer one", v, fileVersion)
	}
	body, trailer := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], trailer) {
		return nil, errors.New("the file is damaged: its checksum does not fit")
	}
	rest := body[head:]
	n, size := binary.Uvarint(rest)
	if size <= 0 {
		return nil, errDamaged
	}
	rest = rest[size:]
	var states []State
	for ; n > 0; n-- {
		st, after, err := parseState(rest)
		if err != nil {
			return nil, err
		}
		states, rest = append(states, st), after
	}
	if len(rest) > 0 {
		return nil, errDamaged
	}
	return states, nil
}

func parseState(b []byte) (State, []byte, error) {
	var numbers [2]uint64
	for i := range numbers {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return State{}, nil, errDamaged
		}
		numbers[i], b = n, b[size:]
	}
	chunk, rest, ok := field(b)
	if !ok || numbers[0] >= 64 {
		return State{}, nil, errDamaged
	}
	st := State{Partition: int(numbers[0]), Generation: numbers[1]}
	if err := decodeChunk(&st, chunk); err != nil {
		return State{}, nil, fmt.Errorf("partition %d: %w", st.Partition, err)
	}
	return st, rest, nil
}

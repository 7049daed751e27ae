// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weir-project/weir/proto/wire"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Golden files are added, never changed: what an older weir wrote must be read for ever.
var add = flag.Bool("update", false, "write golden files that do not exist yet")

const goldenDir = "testdata/v1"

// golden says what a file holds: the message, the stream form, and the content as JSON Lines.
func golden(b *weirv1.Batch) (string, error) {
	msg, err := wire.AppendBatch(nil, b)
	if err != nil {
		return "", err
	}
	stream, err := wire.AppendDelimited(nil, b)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("# message: format byte and s2 block\n%s\n# delimited: varint length and protobuf\n%s\n# content\n%s",
		folded(msg), folded(stream), content(b)), nil
}

func folded(data []byte) string {
	text := hex.EncodeToString(data)
	var lines []string
	for len(text) > 96 {
		lines, text = append(lines, text[:96]), text[96:]
	}
	return strings.Join(append(lines, text), "\n")
}

// content is the batch in text: its head on one line, then its elements.
func content(b *weirv1.Batch) string {
	out := fmt.Appendf(nil, "# head %d %d %d %d %q %q %x %d %d %d %d %d %d gaps %d\n", b.SchemaVersion, b.CredentialsKeyId, b.ObjectsKeyId,
		b.ExchangesKeyId, b.Cluster, b.SensorId, b.BootId, b.Partition, b.Sequence, b.WindowStartUnixNano, b.WindowEndUnixNano,
		b.SentUnixNano, b.Source, len(b.Gaps))
	for _, x := range b.Exchanges {
		out = wire.AppendLineJSON(out, &wire.Line{Exchange: x})
	}
	for _, r := range b.Rollups {
		out = wire.AppendLineJSON(out, &wire.Line{Rollup: r})
	}
	for _, l := range b.Links {
		out = wire.AppendLineJSON(out, &wire.Line{Link: l})
	}
	return string(wire.AppendLineJSON(out, &wire.Line{Capture: &weirv1.CaptureCounters{Counters: b.Counters}}))
}

// samples are what new golden files are made of.
func samples() map[string]*weirv1.Batch {
	full := &weirv1.Batch{}
	fill(full.ProtoReflect())
	full.SchemaVersion, full.Partition = 1, uint32(wire.PartitionOf([]byte("0123456789abcdef")))
	full.Exchanges[0].HttpRequestTarget, full.Exchanges[0].RequestCount = "", 1
	full.Rollups[0].Objects = &weirv1.ObjectSet{Hashes: []uint64{1, 2}, Seen: 3}
	full.Rollups[0].SensitiveObjects = &weirv1.ObjectSet{Hyperloglog: append([]byte{4}, make([]byte, 16)...), Seen: 3}
	return map[string]*weirv1.Batch{"full": full, "mixed": newMaker(11).batch(11, 3), "empty": {
		SchemaVersion: 1, SensorId: "s", Sequence: 1,
	}}
}

func TestGolden(t *testing.T) {
	if *add {
		addGolden(t)
	}
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.golden"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sections := strings.SplitN(string(data), "\n# ", 4)
		if len(sections) < 4 {
			t.Fatalf("%s: sections are missing", file)
		}
		var b weirv1.Batch
		if err := wire.DecodeBatch(unfold(t, sections[0]), &b); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		stream, err := wire.AppendDelimited(nil, &b)
		if err != nil || !bytes.Equal(stream, unfold(t, sections[1])) {
			t.Errorf("%s: encoded again it differs (%v)", file, err)
		}
		want := "# " + sections[3]
		if d := cmp.Diff(want, content(&b)); d != "" {
			t.Errorf("%s:\n%s", file, d)
		}
		for line := range strings.Lines(want) {
			var l wire.Line
			if err := wire.ParseLine([]byte(line), &l); line[0] != '#' && err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// unfold reads the hex digits under a comment.
func unfold(t *testing.T, section string) []byte {
	t.Helper()
	_, text, _ := strings.Cut(section, "\n")
	data, err := hex.DecodeString(strings.ReplaceAll(text, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func addGolden(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(goldenDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range samples() {
		path := filepath.Join(goldenDir, name+".golden")
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		text, err := golden(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

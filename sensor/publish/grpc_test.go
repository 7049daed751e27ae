// SPDX-License-Identifier: Apache-2.0

package publish_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weir-project/weir/sensor/exchange"
	"github.com/weir-project/weir/sensor/publish"
)

// written gives the one line that exchanges, parts of one, are written as.
func written(t *testing.T, list ...exchange.Exchange) (status int32, line string) {
	t.Helper()
	var out bytes.Buffer
	w := publish.NewWriter(&out, publish.WriterConfig{Format: publish.JSONLines})
	for i := range list {
		w.Exchange(&list[i])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := read(t, publish.JSONLines, out.Bytes())
	if len(got) != 1 {
		t.Fatalf("%d lines, want 1", len(got))
	}
	return got[0].RpcGrpcStatusCode, out.String()
}

// Zero is OK: it is told of gRPC calls alone, and what is no gRPC call says nothing about it.
func TestGRPCStatus(t *testing.T) {
	for _, c := range []struct {
		operation string
		status    int16
		want      int32
	}{
		{"", -1, 0}, {"", 0, 0}, {"", 7, 7}, // an orphan answer has a status and no operation
		{"shop.Customers/Get", -1, -1}, {"shop.Customers/Get", 0, 0}, {"shop.Customers/Get", 16, 16},
		{"shop.Customers/Get", -30000, -1}, {"shop.Customers/Get", 32767, 32767},
	} {
		x := *newSample(1, 1, 1).next()
		x.Operation, x.GRPCStatus = []byte(c.operation), c.status
		got, line := written(t, x)
		if got != c.want {
			t.Errorf("%q with status %d: %d, want %d", c.operation, c.status, got, c.want)
		}
		if told := strings.Contains(line, "rpc_grpc_status_code"); told != (c.want != 0) {
			t.Errorf("%q with status %d: %s", c.operation, c.status, line)
		}
	}
}

// The status comes with the trailers: the last part that knows it says what it is.
func TestGRPCStatusOfParts(t *testing.T) {
	for _, c := range []struct {
		operation string
		of        []int16
		want      int32
	}{
		{"shop.Customers/List", []int16{-1, -1, 0}, 0},
		{"shop.Customers/List", []int16{-1, -1, 5}, 5},
		{"shop.Customers/List", []int16{-1, -1, -1}, -1},
		{"", []int16{-1, -1, -1}, 0},
		{"", []int16{-1, 13, 13}, 13},
	} {
		x := *newSample(1, 1, 1).next()
		x.Operation = []byte(c.operation)
		list := parts(x, len(c.of))
		for i := range list {
			list[i].GRPCStatus = c.of[i]
		}
		if got, _ := written(t, list...); got != c.want {
			t.Errorf("%q with %v: %d, want %d", c.operation, c.of, got, c.want)
		}
	}
}

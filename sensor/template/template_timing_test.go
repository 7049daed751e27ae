// SPDX-License-Identifier: Apache-2.0

package template_test

import (
	"testing"

	"github.com/weir-project/weir/sensor/template"
)

func BenchmarkPath(b *testing.B) {
	target, server := []byte("/api/v1/customers/4711042/orders?page=2&per_page=50"), []byte("shop.example")
	tm := newTemplater(0)
	var r template.Result
	b.SetBytes(int64(len(target)))
	b.ReportAllocs()
	for b.Loop() {
		tm.Path(target, server, &r)
	}
}

// SPDX-License-Identifier: Apache-2.0

package detect_test

import (
	"testing"

	"github.com/weir-project/weir/analyzer/detect"
	"github.com/weir-project/weir/analyzer/finding"
)

func BenchmarkJudge(b *testing.B) {
	var d detect.Detector
	v, p := settled(), peers()
	b.ReportAllocs()
	for b.Loop() {
		d.Judge(&v, p, &finding.Shipped)
	}
}

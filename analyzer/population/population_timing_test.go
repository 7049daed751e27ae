// SPDX-License-Identifier: Apache-2.0

package population_test

import (
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/weir-project/weir/analyzer/finding"
	"github.com/weir-project/weir/analyzer/population"
)

// One principal-minute: what the population costs each time detect has judged.
func BenchmarkScores(b *testing.B) {
	s := population.NewSummariser(0, nil)
	v := voter(1)
	v.Now = 2760 * week
	scores := score(finding.Fresh, 0.5)
	s.Scores(v, scores)
	v.Now = 2761 * week
	b.ReportAllocs()
	for b.Loop() {
		s.Scores(v, scores)
	}
}

// The owner's day: 64 partitions of 24 summaries each.
func BenchmarkCloseDay(b *testing.B) {
	all := summaries(rand.New(rand.NewPCG(1, 2)), 64, 1)
	size := 0
	for _, m := range all {
		size += proto.Size(m)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		s := population.NewState(1, nil)
		for _, m := range all {
			s.Fold(m)
		}
		s.Close(firstDay*24 + 23)
	}
}

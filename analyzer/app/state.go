// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"

	"github.com/weir-project/weir/analyzer/checkpoint"
	"github.com/weir-project/weir/analyzer/partition"
	weirv1 "github.com/weir-project/weir/proto/wire/weir/v1"
)

// Names of the sections of a checkpoint that hold what partition and population remember.
const (
	sectionProgress   = "progress"
	sectionPopulation = "population"
	sectionVotes      = "votes"
)

// savePartition gives the whole state of a partition, for a file.
func savePartition(number int, p *partition.Partition) checkpoint.State {
	return checkpoint.State{
		Partition: number, Generation: 1,
		Ledger:    [][]byte{p.Ledger.AppendSnapshot(nil)},
		Incidents: p.Book.AppendSnapshot(nil),
		Extra:     sections(p),
	}
}

func sections(p *partition.Partition) map[string][]byte {
	return map[string][]byte{sectionProgress: p.AppendProgress(nil), sectionVotes: p.Votes().AppendSnapshot(nil)}
}

// restorePartition puts a saved state into an empty partition.
func restorePartition(p *partition.Partition, s *checkpoint.State) error {
	if len(s.Ledger) > 0 {
		if err := p.Ledger.Restore(s.Ledger...); err != nil {
			return fmt.Errorf("restore the ledger: %w", err)
		}
	}
	if len(s.Incidents) > 0 {
		if err := p.Book.Restore(s.Incidents); err != nil {
			return fmt.Errorf("restore the incidents: %w", err)
		}
	}
	if votes := s.Extra[sectionVotes]; len(votes) > 0 {
		if err := p.Votes().Restore(votes); err != nil {
			return fmt.Errorf("restore the votes: %w", err)
		}
	}
	return p.RestoreProgress(s.Extra[sectionProgress])
}

func savePopulation(to *checkpoint.State, m *weirv1.PopulationState) error {
	if m == nil {
		return nil
	}
	text, err := m.MarshalVT()
	if err != nil {
		return fmt.Errorf("save the population: %w", err)
	}
	to.Extra[sectionPopulation] = text
	return nil
}

// restorePopulation finds the population in a saved state, if it stands there.
func restorePopulation(to **weirv1.PopulationState, from *checkpoint.State) error {
	text := from.Extra[sectionPopulation]
	if len(text) == 0 {
		return nil
	}
	m := &weirv1.PopulationState{}
	if err := m.UnmarshalVT(text); err != nil {
		return fmt.Errorf("restore the population: %w", err)
	}
	*to = m
	return nil
}

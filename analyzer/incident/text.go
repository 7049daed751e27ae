// SPDX-License-Identifier: Apache-2.0

package incident

// Title says in a few words who did what.
func Title(inc *Incident) string { return "" }

// Sentence says what was taken, since when, against what it is unusual, from where, and how sure.
func Sentence(inc *Incident) string { return "" }

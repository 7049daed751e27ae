// SPDX-License-Identifier: Apache-2.0

// Package population makes what needs all partitions: what peers take, and what a score must reach
// before it is worth an alert.
//
// It assumes the ledger's hooks in event time and one summary per partition and closed event hour.
// It refuses to be needed: while its owner is away partitions go on with the last version.
//
// A partition's Summariser turns hooks into PopulationSummary messages; the one owner folds them
// into a State, which makes a new PopulationState per event day; Local does both in one process for
// backtests; Node does it over NATS, with a lease and a fence.
//
// # Who votes
//
// A principal's hours, days and weeks count towards peers when it is known (any assurance but
// unknown), has no open incident, is at least 28 days old, and is the one voice of its network (a
// /24 or /48) on that event day in its partition. While the deployment itself is no more than 28 days old
// nobody can be that old: until then age is not asked, or small and young sites would have no peers
// when they need them most. In private address space a /24 is often the whole company and nobody
// outside can take addresses there, so the single address is the network.
//
// # Thresholds
//
// The shipped thresholds hold until 2,000 clean principal-weeks have been seen. See thresholdsOf.
package population

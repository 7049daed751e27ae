// SPDX-License-Identifier: Apache-2.0

// Package ledger keeps what each principal took: exact totals, daily history, and a sketch of the
// objects it has read.
//
// It assumes batches that ingest has checked and that each come once. It refuses clocks, files and
// NATS, and it does not judge: the same batches in any order end in the same state.
package ledger

// SPDX-License-Identifier: Apache-2.0

//go:build race

package identity_test

// raceDetector says that sync.Pool forgets at random, so that allocations cannot be counted.
const raceDetector = true

// SPDX-License-Identifier: Apache-2.0

//go:build !race

package agent

// raceEnabled says that the race detector runs.
const raceEnabled = false

// SPDX-License-Identifier: Apache-2.0

package population

import "slices"

// Largest and OwnThreshold are shown to the tests.
var (
	Largest      = largest
	OwnThreshold = ownThreshold
)

// LargestN is a longer tail than a summary keeps.
func LargestN(x []float64, n int) []float64 {
	slices.Sort(x)
	slices.Reverse(x)
	return x[:n]
}

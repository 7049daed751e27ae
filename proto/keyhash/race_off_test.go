// SPDX-License-Identifier: Apache-2.0

//go:build !race

package keyhash_test

const raceDetector = false

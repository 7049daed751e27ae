// SPDX-License-Identifier: Apache-2.0

//go:build !race

package identity_test

const raceDetector = false

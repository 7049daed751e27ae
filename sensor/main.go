// SPDX-License-Identifier: Apache-2.0

// Command weir-sensor is built from this folder; see README.md.
package main

func main() {}

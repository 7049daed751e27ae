// SPDX-License-Identifier: Apache-2.0

// Command weir-analyzer is built from this folder; see README.md.
package main

func main() {}

// SPDX-License-Identifier: Apache-2.0

package keyhash

// Expand lets the tests see the derived keys, which nothing else may.
func Expand(k TenantKey, label string, n int) []byte { return k.expand(label, n) }

// SPDX-License-Identifier: Apache-2.0

package keyhash

// Keys are the three keys derived from one tenant key.
type Keys struct {
	Credentials *CredentialsKey
	Objects     *ObjectsKey
	Exchanges   *ExchangesKey
}

// CredentialsKey makes token and principal ids. It rotates.
type CredentialsKey struct{}

// ObjectsKey makes object hashes. It rotates only as a declared migration.
type ObjectsKey struct{}

// ExchangesKey makes exchange ids. It never rotates with the others.
type ExchangesKey struct{}

// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"fmt"
)

// Reasons for which a message is refused. They are metric labels: few, and never renamed.
const (
	ReasonTooLarge    = "too_large"   // more bytes than the bound, before or after decompression
	ReasonFormat      = "format"      // no known format byte
	ReasonCompression = "compression" // the block cannot be decompressed
	ReasonMalformed   = "malformed"   // not a protobuf Batch
	ReasonVersion     = "version"     // a schema version this reader does not know
	ReasonCount       = "count"       // more list elements than the bound
	ReasonID          = "id"          // an id of a wrong length
	ReasonPartition   = "partition"   // a principal that belongs to another partition
	ReasonEnum        = "enum"        // a value outside its enum
	ReasonText        = "text"        // too long, not UTF-8, or with control characters
	ReasonTime        = "time"        // an end before its start, or beyond int64 nanoseconds
	ReasonAddress     = "address"     // neither 4 nor 16 bytes
	ReasonNumber      = "number"      // a count or size beyond what sums can bear
	ReasonForbidden   = "forbidden"   // a field that must not be published
	ReasonOther       = "other"       // an error that is no Refusal
)

// Refusal says why a message was refused.
type Refusal struct {
	Reason string // one of the reasons above
	Field  string // the field at fault
	Detail string
}

// Error describes the refusal; it never quotes text of the message.
func (r *Refusal) Error() string {
	return "refused batch: " + r.Field + ": " + r.Detail + " (" + r.Reason + ")"
}

// Reason gives the reason of an error of this package, "other" for errors of others, "" for nil.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ReasonOther
}

func refuse(reason, field, format string, args ...any) error {
	return &Refusal{Reason: reason, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// SPDX-License-Identifier: Apache-2.0

// Package exchange is the vocabulary of what the sensor says about one HTTP request and its
// response. No credential and no body can stand in it.
//
// It assumes that text in it is already bounded and redacted. It refuses to refer to memory that
// others use again: byte slices in it are valid only during the call that hands an Exchange on,
// and whoever keeps one longer copies it.
package exchange

import "net/netip"

// ID is a keyed 16-byte id. The zero value means "not known".
type ID [16]byte

// IsZero says whether the id is not known.
func (id ID) IsZero() bool { return id == ID{} }

// Assurance says how sure the sensor is of a principal; see the enum of the same name in the wire schema.
type Assurance uint8

// The assurances, weakest first; the numbers are those of the wire schema.
const (
	AssuranceUnknown Assurance = iota + 1
	AssuranceAddress
	AssuranceToken
	AssuranceClaimed
	AssuranceIssued
	AssuranceVerified
)

// CredentialKind is the kind of credential that named a principal; numbers as in the wire schema.
type CredentialKind uint8

// The kinds.
const (
	CredentialNone CredentialKind = iota + 1
	CredentialBearer
	CredentialJWT
	CredentialBasic
	CredentialAPIKey
	CredentialCookie
	CredentialQuery
	CredentialClientCertificate
	CredentialSignature
	CredentialOther
)

// Rank is the rank of an observation point; numbers as in the wire schema. A higher rank wins.
type Rank uint8

// The ranks.
const (
	RankClient Rank = iota + 1
	RankMirror
	RankProxy
	RankServerPacket
	RankServerLibrary
)

// Coverage says how much of an exchange was seen; numbers as in the wire schema. Higher is worse.
type Coverage uint8

// The grades.
const (
	Complete Coverage = iota + 1
	Partial
	HeaderOnly
	OneSided
)

// Detail says what shedding left; numbers as in the wire schema.
type Detail uint8

// The levels.
const (
	DetailFull Detail = iota + 1
	DetailNoSensitive
	DetailNoObjects
	DetailNoRecords
	DetailRollup
)

// CountKind says how records were counted; numbers as in the wire schema.
type CountKind uint8

// The kinds of record counts.
const (
	CountNone CountKind = iota + 1
	CountExact
	CountEstimated
)

// Anomaly is wrong traffic, enumerated. Numbers are never used again; names are what the wire carries.
type Anomaly uint8

// The anomalies. http1 raises most of them; the names follow what Zeek and Suricata call them.
const (
	AnomalyNone               Anomaly = iota
	IDPartial                         // the header block was not wholly seen: exchange_id from sequence number alone
	GapInHeader                       // bytes were lost inside a header block
	GapInBody                         // bytes were lost inside a body
	Resync                            // the parser lost the message boundary and found another
	OrphanResponse                    // a response without its request
	NoResponse                        // a request without a response when the connection ended
	BareLF                            // a line ended without CR
	ObsFold                           // a folded header line, RFC 9112 section 5.2
	DuplicateContentLength            // several Content-Length values
	TransferEncodingAndLength         // both framings, RFC 9112 section 6.3 rule 3
	BadContentLength                  // not a number, or beyond 2^62
	BadTransferEncoding               // a transfer coding other than a final chunked
	BadChunkSize                      // not hex, or beyond 2^62
	BadStatusLine
	BadRequestLine
	BadHeaderLine  // no colon, or space before it
	HeaderTooLarge // beyond the bound: the rest counted, not read
	TooManyHeaders
	TooManyPending         // more pipelined requests than the bound
	HTTP09                 // a request without a version
	UnexpectedBody         // bytes where no message may begin
	PrematureClose         // the connection ended inside a message
	InconsistentRetransmit // a retransmission with other content
	ContradictsAck         // a response that could not have seen its request
	UnknownSide            // client and server could not be told apart
	CredentialMalformed    // a credential that breaks its own format
	CredentialTooLarge
	BodyUndecodable // a body whose content coding could not be undone
	BodyBomb        // a body that expands beyond the bound
	BodyMalformed   // a body that breaks its own media type
	Upgraded        // the connection went on in another protocol
	Tunnel          // CONNECT: opaque bytes each way
	PathTooLarge
	UnknownSlot    // a header field refers to a compression table entry that was not seen
	BadFrame       // an HTTP/2 frame that breaks its own format, or is not allowed where it stands
	BadHeaderBlock // a header block that cannot be decompressed
	HeaderFlood    // a header block in more frames or bytes than the bound: counted, not read
	TooManyStreams // more concurrent streams than the bound
	StreamReset    // RST_STREAM ended it
	Refused        // GOAWAY: the server never took it
	Pushed         // the server sent it unasked: its request is the server's promise
	Forwarded      // it came through a proxy: another exchange may tell of the same data
	Misdirected    // frames of a stream that nobody opened
	numAnomalies
)

// AnomalySet is a set of anomalies.
type AnomalySet uint64

// Add puts an anomaly in.
func (s *AnomalySet) Add(a Anomaly) { *s |= 1 << a }

// Has says whether an anomaly is in.
func (s AnomalySet) Has(a Anomaly) bool { return s&(1<<a) != 0 }

// MaxObjects is how many object hashes one Exchange lists: the smallest ones win, so that the
// choice does not depend on order.
const MaxObjects = 64

// Exchange is one HTTP request and its response, or one part of it (every part carries
// increments). Field meanings and units are those of the wire schema's Exchange.
type Exchange struct {
	ID           ID
	Part         uint32
	Last         bool
	PartStart    int64 // Unix nanoseconds
	PartEnd      int64
	RequestCount uint32
	Start        int64
	Duration     int64 // nanoseconds

	PrincipalID     ID
	PrincipalSource string
	Assurance       Assurance
	TokenID         ID
	OtherTokenIDs   []ID
	CredentialKind  CredentialKind
	CredentialName  []byte

	Client         netip.AddrPort
	Server         netip.AddrPort
	ForwardedFor   netip.Addr
	ClientSoftware string
	Point          string
	Rank           Rank
	TLS            bool
	Protocol       string // "http"
	Version        string // "1.1", "2"
	ServerName     []byte
	Method         []byte
	Path           []byte // redacted
	Template       []byte
	Target         []byte // raw request-target: only with --unredacted, else nil
	QueryNames     [][]byte
	Operation      []byte // gRPC: "package.Service/Method"
	RequestID      []byte
	TraceIDHash    uint64
	Status         uint16 // 0: no response seen
	GRPCStatus     int16  // of the trailers or a trailers-only response; -1: none seen, or not gRPC

	RequestHeaderSize  uint64
	RequestBodySize    uint64
	RequestBodyOffset  uint64
	ResponseHeaderSize uint64
	ResponseBodySize   uint64
	ResponseBodyOffset uint64
	ContentType        []byte // without parameters, lower case
	ContentEncoding    []byte
	UninspectedSize    uint64
	Excluded           string

	Records            uint64
	RecordsKind        CountKind
	Objects            []uint64 // keyed hashes, sorted, distinct, the smallest MaxObjects
	ObjectsSeen        uint32   // distinct within this exchange as far as counted
	ObjectsEstimated   uint32
	ObjectsUnhashed    uint32
	ObjectListComplete bool
	RequestedObjects   []uint64
	RequestedSeen      uint32
	SequentialObjects  uint32
	FieldNamesHash     uint64

	Detail    Detail
	Coverage  Coverage
	GapBytes  uint64
	Anomalies AnomalySet
	File      string // capture file, if any
}

// Sink takes exchanges. The Exchange and all it refers to are valid only during the call.
type Sink interface {
	Exchange(x *Exchange)
}

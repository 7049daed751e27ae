// SPDX-License-Identifier: Apache-2.0

// Package score holds exchanges that a sensor told against exchanges that are known to be true.
//
// It assumes that truth names every exchange of a capture once, with the fields that are sure in
// Check. It refuses to judge what two right sensors may see differently: such truth is not Strict,
// and is neither missed nor extra.
package score

// Truth is one exchange that a capture holds.
type Truth struct {
	Capture      string   `json:"pcap"` // file name without directories
	Client       string   `json:"src"`  // ip:port, [v6]:port
	Server       string   `json:"dst"`
	Method       string   `json:"method"` // empty: a response whose request is not in the capture
	Host         string   `json:"host"`
	Target       string   `json:"target"`        // request-target as sent
	Status       int      `json:"status"`        // 0: no response
	RequestBody  int64    `json:"req_body_len"`  // bytes as sent, chunked coding undone
	ResponseBody int64    `json:"resp_body_len"` // likewise
	Upgrade      string   `json:"upgrade,omitempty"`
	Strict       bool     `json:"strict"` // must be found
	Check        []string `json:"check"`  // method, host, target, status, req_body_len, resp_body_len: those compared
	Classes      []string `json:"classes"`
}

// Capture is one capture file.
type Capture struct {
	Name    string   `json:"pcap"`
	Classes []string `json:"classes"` // what it exercises
	Truth   string   `json:"truth"`   // "none": its exchanges are not known, and none is extra
	Quiet   bool     `json:"expect_no_http,omitempty"`
}

// Observed is one exchange that the sensor told.
type Observed struct {
	Capture      string `json:"pcap"` // directories are ignored
	Client       string `json:"src"`
	Server       string `json:"dst"`
	Method       string `json:"method"`
	Host         string `json:"host"`
	Path         string `json:"path"` // raw request-target
	Status       int    `json:"status"`
	RequestBody  int64  `json:"request_body_bytes"`
	ResponseBody int64  `json:"response_body_bytes"`
}

// Options say what counts.
type Options struct {
	Orphans          bool     // responses without their request must be found too
	IgnoreNoResponse bool     // requests without a response need not
	OnlyClasses      []string // captures of one of these classes alone; nil for all
}

// Result is the score.
type Result struct {
	Captures, Expected, Matched, Exact int // Exact: matched with every field of Check right
	Optional, Extra, Outputs, Unknown  int // Unknown: told of captures that truth does not name

	WithTruth, AllMatched, AllExact int     // captures with an expected exchange; those wholly matched, wholly exact
	MeanMatched, MeanExact          float64 // over those captures, of the share of their exchanges

	Wrong    map[string]int // by field
	Compared map[string]int
	Classes  map[string]Class
	Misses   []Miss // missed, then wrong, then extra
}

// Recall is the share of the expected exchanges that were found.
func (r *Result) Recall() float64 { return share(r.Matched, r.Expected) }

// ExactRate is the share that was found with every checked field right.
func (r *Result) ExactRate() float64 { return share(r.Exact, r.Expected) }

func share(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// Class is the score over the captures of one class.
type Class struct {
	Expected, Matched, Exact, Extra int
	Wrong                           map[string]int // by field
}

// Miss is one exchange that was not told, told wrongly, or told although it is not there.
type Miss struct {
	Truth    *Truth    // nil: extra
	Observed *Observed // nil: missed
	Fields   []string  // those that are wrong
}

// place is where exchanges are compared: two ends of one capture, whichever is the client.
type place struct{ capture, low, high string }

func placeOf(capture, a, b string) place {
	a, b = endpoint(a), endpoint(b)
	return place{capture, min(a, b), max(a, b)}
}

// tally is a score being made.
type tally struct {
	opt      Options
	res      Result
	classes  map[string][]string // by capture
	unknown  map[string]bool     // captures whose exchanges are not known
	truth    map[place][]*Truth
	observed map[place][]*Observed
	order    []place
	by       map[string]*perCapture
	missed   []Miss
	wrong    []Miss
	extra    []Miss
}

type perCapture struct{ expected, matched, exact int }

// Score compares. The arguments stay the caller's; the Result refers to them.
func Score(truth []Truth, captures []Capture, observed []Observed, opt Options) Result {
	s := &tally{opt: opt, classes: map[string][]string{}, unknown: map[string]bool{}, truth: map[place][]*Truth{},
		observed: map[place][]*Observed{}, by: map[string]*perCapture{}}
	s.res.Wrong, s.res.Compared, s.res.Classes = map[string]int{}, map[string]int{}, map[string]Class{}
	s.gather(truth, captures, observed)
	for _, p := range s.order {
		s.compare(p)
	}
	s.finish()
	return s.res
}

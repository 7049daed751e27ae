// SPDX-License-Identifier: Apache-2.0

package score_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-project/weir/deploy/bench/score"
)

var all = []string{"method", "host", "target", "status", "req_body_len", "resp_body_len"}

func truth(change func(*score.Truth)) score.Truth {
	t := score.Truth{Capture: "a.pcap", Client: "10.0.0.1:40000", Server: "10.0.0.2:80", Method: "GET", Host: "shop.example",
		Target: "/customers/17?fields=a%2Fb", Status: 200, ResponseBody: 90, Strict: true, Check: all, Classes: []string{"plain"}}
	if change != nil {
		change(&t)
	}
	return t
}

// told is what a sensor that is always right tells.
func told(t score.Truth, change func(*score.Observed)) score.Observed {
	o := score.Observed{Capture: "/some/where/" + t.Capture, Client: t.Client, Server: t.Server, Method: t.Method, Host: t.Host,
		Path: t.Target, Status: t.Status, RequestBody: t.RequestBody, ResponseBody: t.ResponseBody}
	if change != nil {
		change(&o)
	}
	return o
}

// wrong scores one exchange and says which fields were wrong; "missed" if it was not found.
func wrong(t score.Truth, o score.Observed) string {
	r := score.Score([]score.Truth{t}, nil, []score.Observed{o}, score.Options{Orphans: true})
	if r.Matched == 0 {
		return "missed"
	}
	var names []string
	for f := range r.Wrong {
		names = append(names, f)
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

func TestFields(t *testing.T) {
	f := func(want string, tc func(*score.Truth), oc func(*score.Observed)) {
		t.Helper()
		x := truth(tc)
		if got := wrong(x, told(x, oc)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	type T = score.Truth
	type O = score.Observed
	f("status", nil, func(o *O) { o.Status = 404 })
	f("response_body_bytes", nil, func(o *O) { o.ResponseBody = 91 })
	f("request_body_bytes", nil, func(o *O) { o.RequestBody = 1 })
	f("host", nil, func(o *O) { o.Host = "other.example" })
	f("method", nil, func(o *O) { o.Method = "POST" })
	f("path", nil, func(o *O) { o.Path = "/customers/18" })
	f("missed", nil, func(o *O) { o.Path, o.Method = "/customers/18", "POST" })
	f("missed", nil, func(o *O) { o.Client = "10.0.0.3:40000" })
	f("direction", nil, func(o *O) { o.Client, o.Server = o.Server, o.Client })
	f("", nil, nil)
	f("", nil, func(o *O) { o.Path = "/customers/17" })
	f("", nil, func(o *O) { o.Path = "/customers/17?fields=a/b" })
	f("", nil, func(o *O) { o.Host = "Shop.Example:8080" })
	f("", nil, func(o *O) { o.Client = "[::ffff:10.0.0.1]:40000" })
	f("", func(t *T) { t.Check = nil }, func(o *O) { o.Status, o.Host = 1, "x" })
	f("", func(t *T) { t.Target = "http://Abs.example:81/x?y=1#z" }, func(o *O) { o.Host, o.Path = "abs.example", "/x" })
	f("path", func(t *T) { t.Target = "/r?to=http://abs.example/x" }, func(o *O) { o.Path = "/x" })
	f("", func(t *T) { t.Host = "" }, func(o *O) { o.Host = "10.0.0.2" })
	f("", func(t *T) { t.Host, t.Server = "", "[2001:db8::1]:80" }, func(o *O) { o.Host = "2001:db8::1" })
	f("host", func(t *T) { t.Host = "" }, func(o *O) { o.Host = "10.0.0.9" })
	f("", func(t *T) { t.Method, t.Target, t.Host = "CONNECT", "far.example:443", "" }, func(o *O) { o.Host, o.ResponseBody = "far.example", 7 })
	f("", func(t *T) { t.Status = 101 }, func(o *O) { o.RequestBody, o.ResponseBody = 5, 6 })
	f("", func(t *T) { t.Method, t.Target, t.Host = "", "", "" }, func(o *O) { o.Host = "x" })
	f("missed", func(t *T) { t.Method, t.Target = "", "" }, func(o *O) { o.Method, o.Client = "GET", "10.0.0.3:1" })
	f("", func(t *T) { t.Target = "/bad%zz%" }, nil)
	f("", func(t *T) { t.Target = "/%ff" }, func(o *O) { o.Path = "/\ufffd" })
}

func TestPipelinedAlike(t *testing.T) {
	x := truth(nil)
	y := truth(func(t *score.Truth) { t.ResponseBody = 5 })
	r := score.Score([]score.Truth{x, y}, nil, []score.Observed{told(y, nil), told(x, nil), told(x, nil)}, score.Options{})
	if r.Exact != 2 || r.Extra != 1 || r.Recall() != 1 || r.ExactRate() != 1 || r.Classes["plain"].Extra != 1 {
		t.Errorf("%+v", r)
	}
}

func TestOptional(t *testing.T) {
	orphan := truth(func(t *score.Truth) { t.Method, t.Target, t.Host = "", "", "" })
	h2c := truth(func(t *score.Truth) { t.Status, t.Upgrade = 101, "H2C" })
	loose := truth(func(t *score.Truth) { t.Strict = false; t.Status = 404 })
	alone := truth(func(t *score.Truth) { t.Status = 0 })
	ts := []score.Truth{orphan, h2c, loose, alone}
	var os []score.Observed
	for _, x := range ts {
		os = append(os, told(x, nil))
	}
	r := score.Score(ts, nil, os, score.Options{IgnoreNoResponse: true})
	if r.Expected != 0 || r.Optional != 4 || r.Extra != 0 || r.Recall() != 1 {
		t.Errorf("%+v", r)
	}
	if r = score.Score(ts, nil, nil, score.Options{}); r.Expected != 1 || r.Matched != 0 || len(r.Misses) != 1 || r.Misses[0].Truth != &ts[3] {
		t.Errorf("%+v", r)
	}
	if r = score.Score(ts, nil, os, score.Options{Orphans: true}); r.Expected != 2 || r.Exact != 2 {
		t.Errorf("%+v", r)
	}
}

func TestCaptures(t *testing.T) {
	none := score.Capture{Name: "none.pcap", Classes: []string{"tls"}, Truth: "none"}
	quiet := score.Capture{Name: "quiet.pcap", Classes: []string{"ssh"}}
	x := truth(nil)
	y := truth(func(t *score.Truth) { t.Capture, t.Target = "b.pcap", "/y" })
	os := []score.Observed{told(x, nil)}
	for _, name := range []string{"none.pcap", "quiet.pcap", "never-heard-of.pcap"} {
		os = append(os, told(x, func(o *score.Observed) { o.Capture = name }))
	}
	r := score.Score([]score.Truth{x, x, y}, []score.Capture{none, quiet}, os, score.Options{})
	if r.Captures != 4 || r.WithTruth != 2 || r.Unknown != 1 || r.Extra != 1 || r.Outputs != 3 || r.AllExact != 0 || r.MeanExact != 0.25 || r.Recall() != 1.0/3 {
		t.Errorf("%+v", r)
	}
	if r = score.Score([]score.Truth{x, y}, []score.Capture{none, quiet}, os, score.Options{OnlyClasses: []string{"ssh"}}); r.Captures != 1 || r.Extra != 1 || r.Expected != 0 {
		t.Errorf("%+v", r)
	}
}

// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Entry is one line of the API's own log.
type Entry struct {
	Time    time.Time // just before the response was sent
	Token   string
	Path    string
	Status  int
	Records int
	Bytes   int // of the response's body
}

// Log is what the API itself wrote down: the truth that alerts are held against.
type Log struct {
	mu      sync.Mutex
	entries []Entry
}

func (l *Log) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// Add writes an entry for an exchange that the API did not serve itself, such as one in a
// generated capture.
func (l *Log) Add(e Entry) { l.add(e) }

// Of gives a token's entries from a time on, in the order in which they were written.
func (l *Log) Of(token string, from time.Time) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Entry
	for _, e := range l.entries {
		if e.Token == token && !e.Time.Before(from) {
			out = append(out, e)
		}
	}
	return out
}

// Len is the number of entries.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// API is the customer API.
type API struct {
	Log    Log
	tokens map[string]bool
}

// NewAPI makes an API that accepts the tokens of people.
func NewAPI(people []*Person) *API {
	a := &API{tokens: map[string]bool{}}
	for _, p := range people {
		a.tokens[p.Token] = true
	}
	return a
}

// Answer is what the API says to a request-target shown with a token.
func (a *API) Answer(target, token string) (status, records int, body []byte) {
	if !a.tokens[token] {
		return http.StatusUnauthorized, 0, []byte(`{"error":"unauthorized"}`)
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return http.StatusBadRequest, 0, []byte(`{"error":"bad request"}`)
	}
	if u.Path == "/customers" {
		return a.list(u.Query())
	}
	id, err := strconv.Atoi(strings.TrimPrefix(u.Path, "/customers/"))
	if err != nil || id < 1 || id > Customers {
		return http.StatusNotFound, 0, []byte(`{"error":"not found"}`)
	}
	return http.StatusOK, 1, appendCustomer(nil, id)
}

func (a *API) list(query url.Values) (status, records int, body []byte) {
	page, _ := strconv.Atoi(query.Get("page"))
	size, _ := strconv.Atoi(query.Get("size"))
	if page < 0 || size < 1 || size > 200 {
		return http.StatusBadRequest, 0, []byte(`{"error":"bad page"}`)
	}
	body = append(body, '[')
	for i := range size {
		id := page*size + i + 1
		if id > Customers {
			break
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = appendCustomer(body, id)
		records++
	}
	return http.StatusOK, records, append(body, ']')
}

// appendCustomer writes one made-up customer.
func appendCustomer(dst []byte, id int) []byte {
	mixed := uint32(id) * 2654435761
	return fmt.Appendf(dst, `{"id":%d,"name":"Customer %05d","email":"c%d@example.com","phone":"+1-555-01%02d-%04d","plan":"%s","lines":%d,"born":"19%02d-%02d-%02d"}`,
		id, id, id, mixed%100, mixed/100%10000, []string{"prepaid", "postpaid", "family"}[id%3], 1+id%4, 40+mixed%60, 1+mixed%12, 1+mixed%28)
}

// ServeHTTP answers and writes the log.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	status, records, body := a.Answer(r.URL.RequestURI(), token)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	// Written down before it is sent: whoever has the answer finds it in the log.
	a.Log.add(Entry{Time: time.Now(), Token: token, Path: r.URL.Path, Status: status, Records: records, Bytes: len(body)})
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Host is the name the API goes by.
const Host = "shop.example"

// Wire gives the bytes of a call and of the API's answer to it, as HTTP/1.1 puts them on the wire.
func (a *API) Wire(p *Person, c Call) (request, response []byte, e Entry) {
	status, records, body := a.Answer(c.Path, p.Token)
	request = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: shop-client/1.0\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n\r\n", c.Path, Host, p.Token)
	response = fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nDate: %s\r\nContent-Length: %d\r\n\r\n", status, http.StatusText(status), c.At.UTC().Format(http.TimeFormat), len(body))
	response = append(response, body...)
	path, _, _ := strings.Cut(c.Path, "?")
	return request, response, Entry{Time: c.At, Token: p.Token, Path: path, Status: status, Records: records, Bytes: len(body)}
}

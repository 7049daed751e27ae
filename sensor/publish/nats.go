// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/proto/natsconn"
)

// stallWait is how long the client library may hold the loop when it has too much outstanding.
const stallWait = 5 * time.Millisecond

// errAway is what sending gives while there is no server.
var errAway = errors.New("no NATS server")

// NATS sends through a JetStream that needs no API rights: messages and their acknowledgements.
type NATS struct {
	conn *natsconn.Conn
	js   jetstream.JetStream

	mu     sync.Mutex
	flight map[*nats.Msg]func(error)
}

// NewNATS uses a connection. maxInFlight and ackTimeout are those of the Publisher's Config; zero
// gives the defaults.
func NewNATS(conn *natsconn.Conn, maxInFlight int, ackTimeout time.Duration) (*NATS, error) {
	def(&maxInFlight, 256)
	def(&ackTimeout, 10*time.Second)
	t := &NATS{conn: conn, flight: map[*nats.Msg]func(error){}}
	js, err := conn.JetStream(
		jetstream.WithPublishAsyncMaxPending(maxInFlight+16),
		jetstream.WithPublishAsyncTimeout(ackTimeout),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) { t.finish(m, nil) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { t.finish(m, err) }),
	)
	if err != nil {
		return nil, err
	}
	t.js = js
	return t, nil
}

// Publish sends a batch; see Transport.
func (t *NATS) Publish(subject, id string, data []byte, done func(error)) error {
	if !t.conn.NATS().IsConnected() {
		return errAway
	}
	m := &nats.Msg{Subject: subject, Data: data, Header: nats.Header{jetstream.MsgIDHeader: []string{id}}}
	t.mu.Lock()
	t.flight[m] = done
	t.mu.Unlock()
	// Retries are the Publisher's, which knows when a batch is late.
	_, err := t.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0), jetstream.WithStallWait(stallWait))
	if err == nil {
		return nil
	}
	t.mu.Lock()
	_, waiting := t.flight[m]
	delete(t.flight, m)
	t.mu.Unlock()
	if !waiting {
		return nil // a lost connection has told it already
	}
	if errors.Is(err, jetstream.ErrTooManyStalledMsgs) {
		return fmt.Errorf("%w: %w", ErrStalled, err)
	}
	return err
}

// finish hands an outcome on, once.
func (t *NATS) finish(m *nats.Msg, err error) {
	t.mu.Lock()
	done, waiting := t.flight[m]
	delete(t.flight, m)
	t.mu.Unlock()
	if waiting {
		done(err)
	}
}

// Tell sends a message without acknowledgement.
func (t *NATS) Tell(subject string, data []byte) error {
	if !t.conn.NATS().IsConnected() {
		return errAway
	}
	return t.conn.NATS().Publish(subject, data)
}

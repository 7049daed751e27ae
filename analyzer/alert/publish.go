// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-project/weir/proto/wire"
)

// Publish sends messages in order and waits for each acknowledgement. It returns how many the
// stream has; an error is the world's and names the first that it has not. The stream drops what it
// already has by id.
func Publish(ctx context.Context, js jetstream.JetStream, ms []Message) (int, error) {
	for i := range ms {
		m := &ms[i]
		msg := nats.NewMsg(m.Subject)
		msg.Data = m.Data
		msg.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
		msg.Header.Set("ce-id", m.ID)
		msg.Header.Set("ce-type", Type)
		if _, err := js.PublishMsg(ctx, msg, jetstream.WithMsgID(m.ID)); err != nil {
			return i, fmt.Errorf("publish alert %s on %s: %w", m.ID, m.Subject, err)
		}
	}
	return len(ms), nil
}

// Alert is a message as its readers see it.
type Alert struct {
	ID         string // incident id and revision
	IncidentID string // hex
	Revision   int
	Activity   string // "Create", "Update", "Close"
	Severity   string // "low" ... "critical", now
	Cluster    string
	Detector   string
	Principal  string // hex
	Time       time.Time
	Title      string
	Sentence   string
	Raw        []byte // the whole message
}

// Parse reads a message that Build made. Texts are bounded and printable, whoever sent it.
func Parse(data []byte) (Alert, error) {
	if len(data) > MaxData {
		return Alert{}, fmt.Errorf("read alert: %d bytes, at most %d", len(data), MaxData)
	}
	var e struct {
		ID, Type, Source, Subject string
		Time                      time.Time
		Data                      struct {
			ClassUID     int    `json:"class_uid"`
			ActivityName string `json:"activity_name"`
			Severity     string
			Message      string
			Info         struct {
				Title    string
				Analytic struct{ Name string }
			} `json:"finding_info"`
		}
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return Alert{}, fmt.Errorf("read alert: %w", err)
	}
	incidentID, revision, _ := strings.Cut(e.ID, ".")
	n, err := strconv.ParseUint(revision, 10, 32)
	if _, bad := hex.DecodeString(incidentID); e.Type != Type || e.Data.ClassUID != classUID || len(incidentID) != 32 || err != nil || bad != nil {
		return Alert{}, errors.New("read alert: this is no alert of weir")
	}
	cluster := strings.TrimSuffix(strings.TrimPrefix(e.Source, "/weir/"), "/analyzer")
	return Alert{
		ID: incidentID + "." + strconv.FormatUint(n, 10), IncidentID: incidentID, Revision: int(n),
		Activity: text(e.Data.ActivityName), Severity: strings.ToLower(text(e.Data.Severity)),
		Cluster: text(cluster), Detector: text(e.Data.Info.Analytic.Name), Principal: text(e.Subject), Time: e.Time,
		Title: text(e.Data.Info.Title), Sentence: clean(e.Data.Message, maxSentence), Raw: data,
	}, nil
}

// TailOptions says which alerts to read.
type TailOptions struct {
	Subject string    // filter; default weir.v1.alerts.>
	Plain   bool      // a plain subscription: only what comes from now on, no stream needed
	All     bool      // from the first alert the stream has; else from Since; else only new ones
	Since   time.Time // from this time on
	Follow  bool      // go on after what is there
	Bad     func(subject string, err error)
}

// Tail reads alerts and hands each to fn until ctx ends (nil), fn returns an error (that one), or,
// without Follow, the end of the stream is reached (nil). What is no alert goes to Bad, if given.
func Tail(ctx context.Context, nc *nats.Conn, opts TailOptions, fn func(*Alert) error) error {
	if opts.Subject == "" {
		opts.Subject = "weir.v1.alerts.>"
	}
	if opts.Plain {
		return tailPlain(ctx, nc, &opts, fn)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: []string{opts.Subject}, DeliverPolicy: jetstream.DeliverNewPolicy}
	switch {
	case opts.All:
		cfg.DeliverPolicy = jetstream.DeliverAllPolicy
	case !opts.Since.IsZero():
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &opts.Since
	}
	c, err := js.OrderedConsumer(ctx, wire.StreamAlerts, cfg)
	if err != nil {
		return fmt.Errorf("read alerts from stream %s (without the right to, a plain subscription may do): %w", wire.StreamAlerts, err)
	}
	if info, err := c.Info(ctx); err != nil {
		return fmt.Errorf("read alerts: %w", err)
	} else if info.NumPending == 0 && !opts.Follow {
		return nil
	}
	messages, err := c.Messages()
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue // the server is away; it goes on when it is back
		}
		if err != nil {
			return fmt.Errorf("read alerts: %w", err)
		}
		if err := opts.hand(msg.Subject(), msg.Data(), fn); err != nil {
			return err
		}
		if meta, err := msg.Metadata(); err == nil && meta.NumPending == 0 && !opts.Follow {
			return nil
		}
	}
}

func tailPlain(ctx context.Context, nc *nats.Conn, opts *TailOptions, fn func(*Alert) error) error {
	sub, err := nc.SubscribeSync(opts.Subject)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", opts.Subject, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, nats.ErrSlowConsumer) {
			continue // a plain subscription loses what its reader is too slow for
		}
		if err != nil {
			return fmt.Errorf("read alerts from %s: %w", opts.Subject, err)
		}
		if err := opts.hand(msg.Subject, msg.Data, fn); err != nil {
			return err
		}
	}
}

func (opts *TailOptions) hand(subject string, data []byte, fn func(*Alert) error) error {
	a, err := Parse(data)
	if err != nil {
		if opts.Bad != nil {
			opts.Bad(subject, err)
		}
		return nil
	}
	return fn(&a)
}

// SPDX-License-Identifier: Apache-2.0

// Command grpc is grpc-go as a server and as a client, for the street: unary calls, streams of the
// server, of the client and of both, with messages from nothing to megabytes, packed and plain, and
// calls that end in an error.
//
//	grpc server ADDRESS        each call that is over is one line of JSON on stdout
//	grpc client ADDRESS CALLS  makes so many rounds of calls, and prints what it received
//
// It assumes that whoever starts it ends it. It refuses TLS.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const service = "weir.street.Echo"

func main() {
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "server":
		err = serve(os.Args[2])
	case len(os.Args) == 4 && os.Args[1] == "client":
		err = call(os.Args[2], os.Args[3])
	default:
		err = errors.New("usage: grpc server ADDRESS | grpc client ADDRESS CALLS")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "grpc:", err)
		os.Exit(1)
	}
}

// row is what one call was: bytes are those of messages with their five bytes of framing.
type row struct {
	Method, Host, Path  string
	Status              uint32
	In, Out             uint64
	Code, MsgIn, MsgOut int
}

// book writes a row when a call is over.
type book struct{ mu sync.Mutex }

type rowKey struct{}

func (b *book) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, rowKey{}, &row{Method: "POST", Path: info.FullMethodName, Status: 200})
}

func (b *book) HandleRPC(ctx context.Context, s stats.RPCStats) {
	r := ctx.Value(rowKey{}).(*row)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch s := s.(type) {
	case *stats.InPayload:
		r.In += uint64(s.WireLength)
		r.MsgIn++
	case *stats.OutPayload:
		r.Out += uint64(s.WireLength)
		r.MsgOut++
	case *stats.End:
		r.Code = int(status.Code(s.Error))
		text, err := json.Marshal(r)
		if err == nil {
			_, _ = os.Stdout.Write(append(text, '\n'))
		}
	}
}

func (*book) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*book) HandleConn(context.Context, stats.ConnStats)                       {}

func serve(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.StatsHandler(&book{}), grpc.MaxRecvMsgSize(64<<20))
	stream := func(_ any, s grpc.ServerStream) error { return answer(s) }
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: service, HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{
			{StreamName: "Unary", Handler: stream},
			{StreamName: "Down", Handler: stream, ServerStreams: true},
			{StreamName: "Up", Handler: stream, ClientStreams: true},
			{StreamName: "Both", Handler: stream, ServerStreams: true, ClientStreams: true},
		},
	}, nil)
	return s.Serve(listener)
}

// answer does what the first message says, "<messages> <size> <code>", when the client has said all.
func answer(s grpc.ServerStream) error {
	var first wrapperspb.BytesValue
	if err := s.RecvMsg(&first); err != nil {
		return err
	}
	var n, size, code int
	if _, err := fmt.Sscanf(string(first.Value), "%d %d %d", &n, &size, &code); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	for {
		var more wrapperspb.BytesValue
		if err := s.RecvMsg(&more); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	for range n {
		if err := s.SendMsg(wrapperspb.Bytes(make([]byte, size))); err != nil {
			return err
		}
	}
	if code != 0 {
		return status.Error(codes.Code(code), "as asked")
	}
	return nil
}

// shape is one call: messages each way and their sizes.
type shape struct {
	name                 string
	up, upSize, down, sz int
	code                 codes.Code
}

var shapes = []shape{
	{"Unary", 1, 0, 1, 0, codes.OK},
	{"Unary", 1, 0, 1, 1000, codes.OK},
	{"Unary", 1, 0, 1, 1 << 20, codes.OK},
	{"Unary", 1, 0, 0, 0, codes.NotFound},
	{"Down", 1, 0, 100, 5000, codes.OK},
	{"Down", 1, 0, 3, 20000, codes.Aborted},
	{"Down", 1, 0, 0, 0, codes.OK},
	{"Up", 50, 3000, 1, 10, codes.OK},
	{"Up", 4, 300000, 1, 0, codes.OK},
	{"Both", 20, 700, 20, 900, codes.OK},
	{"Both", 1, 0, 0, 0, codes.PermissionDenied},
}

func call(address, rounds string) error {
	n, err := strconv.Atoi(rounds)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	var received atomic.Uint64
	faults := make(chan error, n)
	for i := range n {
		go func() {
			var fault error
			for _, s := range shapes {
				fault = errors.Join(fault, s.call(conn, i%2 == 1, &received))
			}
			faults <- fault
		}()
	}
	for range n {
		err = errors.Join(err, <-faults)
	}
	fmt.Println(received.Load())
	return err
}

func (s shape) call(conn *grpc.ClientConn, packed bool, received *atomic.Uint64) error {
	var options []grpc.CallOption
	if packed {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	desc := &grpc.StreamDesc{StreamName: s.name, ServerStreams: true, ClientStreams: true}
	stream, err := conn.NewStream(context.Background(), desc, "/"+service+"/"+s.name, options...)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(wrapperspb.Bytes(fmt.Appendf(nil, "%d %d %d", s.down, s.sz, s.code))); err != nil {
		return err
	}
	for range s.up - 1 {
		if err := stream.SendMsg(wrapperspb.Bytes(make([]byte, s.upSize))); err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		var m wrapperspb.BytesValue
		if err := stream.RecvMsg(&m); err != nil {
			if code := status.Code(err); err != io.EOF && code != s.code {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			return nil
		}
		received.Add(uint64(len(m.Value)))
	}
}

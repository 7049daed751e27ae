// SPDX-License-Identifier: Apache-2.0

// Command protogen compiles .proto files to Go without a protoc on the machine: it parses them
// with protocompile and hands the result to the protoc plugins pinned beside it, over the plugin
// protocol of google/protobuf/compiler/plugin.proto.
//
//	protogen ROOT OUT FILE...
//
// FILE is relative to ROOT; generated files are written below OUT with source-relative names.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// plugins are run in this order; the parameter selects source-relative output.
var plugins = []struct{ tool, parameter string }{
	{"protoc-gen-go", "paths=source_relative"},
	{"protoc-gen-go-vtproto", "paths=source_relative,features=marshal+unmarshal+unmarshal_unsafe+size"},
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: protogen ROOT OUT FILE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(root, out string, files []string) error {
	compiler := protocompile.Compiler{
		Resolver:       &protocompile.SourceResolver{ImportPaths: []string{root}},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	compiled, err := compiler.Compile(context.Background(), files...)
	if err != nil {
		return fmt.Errorf("compile %v: %w", files, err)
	}
	var descriptors []*descriptorpb.FileDescriptorProto
	for _, f := range compiled {
		descriptors = append(descriptors, protoutil.ProtoFromFileDescriptor(f))
	}
	for _, p := range plugins {
		request := &pluginpb.CodeGeneratorRequest{
			FileToGenerate: files,
			Parameter:      proto.String(p.parameter),
			ProtoFile:      descriptors,
		}
		if err := generate(p.tool, request, out); err != nil {
			return err
		}
	}
	return nil
}

// generate runs one plugin and writes the files it answers with.
func generate(tool string, request *pluginpb.CodeGeneratorRequest, out string) error {
	in, err := proto.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode the request for %s: %w", tool, err)
	}
	command := exec.Command("go", "tool", tool)
	command.Stdin = bytes.NewReader(in)
	command.Stderr = os.Stderr
	answer, err := command.Output()
	if err != nil {
		return fmt.Errorf("run %s: %w", tool, err)
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(answer, &response); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", tool, err)
	}
	if response.Error != nil {
		return fmt.Errorf("%s: %s", tool, response.GetError())
	}
	for _, f := range response.File {
		name := filepath.Join(out, f.GetName())
		if err := os.WriteFile(name, []byte(f.GetContent()), 0o644); err != nil {
			return fmt.Errorf("write generated code: %w", err)
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// schemas are the Kubernetes schemas, which stay outside the project.
const schemas = "../../shared/schemas/kubernetes-1.36"

func manifests(t *testing.T) []map[string]any {
	t.Helper()
	text, err := os.ReadFile("kubernetes/weir.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var all []map[string]any
	for {
		var doc map[string]any
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, doc)
	}
}

func TestManifestAgainstKubernetesSchemas(t *testing.T) {
	if _, err := os.Stat(schemas); err != nil {
		t.Skipf("LOUD SKIP: Kubernetes schemas are not beside the project: %v", err)
	}
	suffix := map[string]string{"v1": "-v1", "apps/v1": "-apps-v1", "policy/v1": "-v1", "networking.k8s.io/v1": "-v1"}
	compiler := jsonschema.NewCompiler()
	for _, doc := range manifests(t) {
		kind := fmt.Sprint(doc["kind"])
		file := filepath.Join(schemas, strings.ToLower(kind)+suffix[fmt.Sprint(doc["apiVersion"])]+".json")
		if names, _ := filepath.Glob(filepath.Join(schemas, strings.ToLower(kind)+"-*.json")); len(names) == 1 {
			file = names[0]
		}
		schema, err := compiler.Compile(file)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s %v: %v", kind, doc["metadata"], err)
		}
	}
}

// dig walks maps and lists by key and index.
func dig(t *testing.T, from any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch key := step.(type) {
		case string:
			from = from.(map[string]any)[key]
		case int:
			from = from.([]any)[key]
		}
	}
	return from
}

func TestManifestGivesNoPrivilegeBeyondTheDocumented(t *testing.T) {
	found := 0
	for _, doc := range manifests(t) {
		name := dig(t, doc, "metadata", "name")
		template, ok := dig(t, doc, "spec").(map[string]any)
		if !ok || template["template"] == nil {
			continue
		}
		found++
		pod := dig(t, template, "template", "spec").(map[string]any)
		security := dig(t, pod, "containers", 0, "securityContext").(map[string]any)
		want := map[string]any{"drop": []any{"ALL"}}
		if name == "weir-sensor" {
			want["add"] = []any{"NET_RAW"}
		} else if dig(t, pod, "securityContext", "runAsNonRoot") != true || pod["hostNetwork"] != nil {
			t.Errorf("%v: only the sensor runs as root and on the host's network", name)
		}
		if diff := cmp.Diff(want, security["capabilities"]); diff != "" {
			t.Errorf("%v: capabilities: %s", name, diff)
		}
		if security["readOnlyRootFilesystem"] != true || security["allowPrivilegeEscalation"] != false || pod["hostPID"] != nil || pod["automountServiceAccountToken"] != false {
			t.Errorf("%v: %v", name, security)
		}
		for _, volume := range pod["volumes"].([]any) {
			if volume.(map[string]any)["hostPath"] != nil {
				t.Errorf("%v: mounts the host: %v", name, volume)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d workloads, want 3", found)
	}
}

func TestSystemdUnit(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("LOUD SKIP: %v", err)
	}
	// verify wants the binary to exist, so the unit is shown with one that does.
	text, err := os.ReadFile("systemd/weir-sensor.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "weir-sensor.service")
	text = bytes.ReplaceAll(text, []byte("/usr/local/bin/weir-sensor"), []byte("/bin/true"))
	if err := os.WriteFile(unit, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("weir-sensor.service:")) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command(tool, "security", "--offline=yes", "--threshold=30", unit).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: exposure above 3.0: %v\n%s", err, out[max(0, len(out)-400):])
	}
}

func TestDockerfilesAreFromScratch(t *testing.T) {
	for file, user := range map[string]string{"docker/sensor.Dockerfile": "USER 0:0", "docker/analyzer.Dockerfile": "USER 65532:65532"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "FROM scratch\n") || !strings.Contains(string(text), user+"\n") || strings.Count(string(text), "FROM ") != 1 {
			t.Errorf("%s: must be one stage from scratch with %s", file, user)
		}
	}
}

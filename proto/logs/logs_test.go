// SPDX-License-Identifier: Apache-2.0

package logs_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/weir-project/weir/proto/logs"
)

func TestFormsAndLevels(t *testing.T) {
	var to bytes.Buffer
	log, level := logs.New(&to, "warn", "auto")
	log.Info().Msg("not this")
	log.Warn().Str(logs.Reason, "ring_full").Msg("this")
	var line map[string]any
	if err := json.Unmarshal(to.Bytes(), &line); err != nil || line["reason"] != "ring_full" || line["time"] == nil {
		t.Errorf("%v: %s", err, to.String())
	}
	to.Reset()
	level.Set("error")
	log.Warn().Msg("nor this, since the level was raised")
	if to.Len() != 0 {
		t.Error(to.String())
	}
	console, _ := logs.New(&to, "", "console")
	console.Info().Msg("for people")
	if !strings.Contains(to.String(), "INF for people") {
		t.Error(to.String())
	}
}

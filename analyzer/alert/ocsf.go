// SPDX-License-Identifier: Apache-2.0

package alert

import (
	"encoding/hex"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-project/weir/analyzer/incident"
)

// ocsfVersion is the version of the Open Cybersecurity Schema Framework that Data follows.
const ocsfVersion = "1.8.0"

const classUID = 2004 // Detection Finding

const nanosPerMilli = 1_000_000

// newFinding maps an incident to the OCSF class Detection Finding.
func newFinding(c incident.Change, id, cluster, detector, version string) *ocsfFinding {
	inc := &c.Incident
	product := &ocsfProduct{Name: "weir", VendorName: "weir", Version: version}
	activity, activityName, statusID, status := state(c.Kind)
	severityID, severity := severityOf(inc.Severity)
	sentence := incident.Sentence(inc)
	f := &ocsfFinding{
		ClassUID: classUID, ClassName: "Detection Finding", CategoryUID: 2, CategoryName: "Findings",
		ActivityID: activity, ActivityName: activityName,
		TypeUID: classUID*100 + activity, TypeName: "Detection Finding: " + activityName,
		SeverityID: severityID, Severity: severity, StatusID: statusID, Status: status,
		IsAlert: true, Time: c.Time / nanosPerMilli,
		StartTime: inc.Start / nanosPerMilli, EndTime: max(inc.Start, inc.Now) / nanosPerMilli,
		Message: sentence,
		Metadata: ocsfMetadata{
			Version: ocsfVersion, UID: id, CorrelationUID: hex.EncodeToString(inc.ID[:]), Product: product,
			LogName: "weir.v1.alerts", Sequence: inc.Revision, Labels: []string{"cluster:" + cluster},
		},
		Info: ocsfInfo{
			UID: hex.EncodeToString(inc.ID[:]), Title: incident.Title(inc), Desc: sentence,
			Types:       []string{"Data Exfiltration"},
			CreatedTime: inc.Opened / nanosPerMilli, ModifiedTime: c.Time / nanosPerMilli,
			FirstSeenTime: inc.Start / nanosPerMilli, LastSeenTime: inc.LastEvidence / nanosPerMilli,
			Analytic: ocsfAnalytic{Name: detector, UID: "weir.detector." + detector, TypeID: 3, Type: "Statistical", Version: "1"},
			Attacks:  attacks(inc), Product: product,
		},
	}
	f.ConfidenceID, f.Confidence = confidence(inc)
	f.Evidences, f.Observables = evidences(inc)
	f.Analyses = []ocsfAnalysis{analysis(inc)}
	f.Unmapped = figures(inc)
	return f
}

func state(k incident.ChangeKind) (activity int, name string, statusID int, status string) {
	switch k {
	case incident.Grew:
		return 2, "Update", 2, "In Progress"
	case incident.Closed:
		return 3, "Close", 4, "Resolved"
	}
	return 1, "Create", 1, "New"
}

func severityOf(s incident.Severity) (int, string) {
	switch s {
	case incident.Low:
		return 2, "Low"
	case incident.Medium:
		return 3, "Medium"
	case incident.High:
		return 4, "High"
	case incident.Critical:
		return 5, "Critical"
	}
	return 0, "Unknown"
}

// confidence is by how rarely clean traffic gives such a finding to one principal: once in a
// hundred years is high, once in ten is medium.
func confidence(inc *incident.Incident) (int, string) {
	switch c := inc.Confidence; {
	case !(c > 0):
		return 0, "Unknown"
	case c <= 0.01:
		return 3, "High"
	case c <= 0.1:
		return 2, "Medium"
	}
	return 1, "Low"
}

// attacks names the MITRE ATT&CK techniques (v16.1): exfiltration over a web service, of data
// from cloud storage or an information repository. Walking through ids is collection as well.
func attacks(inc *incident.Incident) []ocsfAttack {
	list := []ocsfAttack{
		attack("TA0010", "Exfiltration", "T1567", "Exfiltration Over Web Service"),
		attack("TA0009", "Collection", "T1530", "Data from Cloud Storage"),
	}
	if walksIDs(inc) {
		list = append(list, attack("TA0009", "Collection", "T1213", "Data from Information Repositories"))
	}
	return list
}

func walksIDs(inc *incident.Incident) bool {
	const enumeration = "enumeration"
	return inc.Detector.String() == enumeration ||
		slices.ContainsFunc(inc.Scores, func(s incident.Score) bool { return s.Channel.String() == enumeration })
}

func attack(tactic, tacticName, technique, techniqueName string) ocsfAttack {
	return ocsfAttack{Version: "16.1", Tactic: ocsfNamed{tactic, tacticName}, Technique: ocsfNamed{technique, techniqueName}}
}

// evidences gives the exemplars, so that people can find the caller, after one summary of the whole.
func evidences(inc *incident.Incident) ([]ocsfEvidence, []ocsfObservable) {
	who := &ocsfUser{UID: hex.EncodeToString(inc.Principal[:]), Name: text(inc.Label), TypeID: 99, Type: "API credential"}
	observables := []ocsfObservable{{Name: "evidences[0].user.uid", TypeID: 31, Type: "User Object: uid", Value: who.UID}}
	list := make([]ocsfEvidence, 0, len(inc.Exemplars)+1)
	for i := range inc.Exemplars {
		e := evidence(&inc.Exemplars[i])
		e.User = who
		list = append(list, e)
	}
	if len(list) == 0 {
		e := ocsfEvidence{Name: "incident", User: who}
		if len(inc.Addresses) > 0 {
			e.Source = endpoint(netip.AddrPortFrom(inc.Addresses[0].Address, 0))
		}
		list = append(list, e)
	}
	if text(inc.Software) != "" && list[0].Request != nil {
		list[0].Request.UserAgent = text(inc.Software)
	}
	seen := make(map[string]bool)
	for i, e := range list {
		if e.Source != nil && !seen[e.Source.IP] {
			seen[e.Source.IP] = true
			name := "evidences[" + strconv.Itoa(i) + "].src_endpoint.ip"
			observables = append(observables, ocsfObservable{Name: name, TypeID: 2, Type: "IP Address", Value: e.Source.IP})
		}
	}
	return list, observables
}

// methods are those that OCSF knows; others stand in the operation only.
var methods = map[string]bool{
	"CONNECT": true, "DELETE": true, "GET": true, "HEAD": true, "OPTIONS": true,
	"PATCH": true, "POST": true, "PUT": true, "TRACE": true,
}

func evidence(x *incident.Exemplar) ocsfEvidence {
	method, server, template := text(x.Method), text(x.ServerName), text(x.Template)
	e := ocsfEvidence{Name: "exemplar", UID: hex.EncodeToString(x.ExchangeID[:]), Source: endpoint(x.Client)}
	e.Data = map[string]any{"time": stamp(x.Time)}
	if server != "" {
		e.Destination = &ocsfEndpoint{Hostname: server}
	}
	if operation := strings.TrimSpace(method + " " + template); operation != "" {
		e.API = &ocsfAPI{Operation: operation}
	}
	request := ocsfRequest{UID: text(x.RequestID)}
	if methods[method] {
		request.Method = method
	}
	if template != "" {
		request.URL = &ocsfURL{Hostname: server, Path: template}
	}
	if request != (ocsfRequest{}) {
		e.Request = &request
	}
	if x.Status != 0 {
		e.Response = &ocsfResponse{Code: int(x.Status)}
	}
	return e
}

func endpoint(a netip.AddrPort) *ocsfEndpoint {
	if !a.Addr().IsValid() {
		return nil
	}
	return &ocsfEndpoint{IP: a.Addr().Unmap().WithZone("").String(), Port: int(a.Port())}
}

// analysis states each score: what was seen and what is usual, over equal horizons.
func analysis(inc *incident.Incident) ocsfAnalysis {
	a := ocsfAnalysis{Targets: []ocsfTarget{{Name: hex.EncodeToString(inc.Principal[:]), Type: "API credential"}}}
	scores := inc.Scores
	if len(scores) == 0 {
		scores = []incident.Score{inc.Top}
	}
	for _, s := range scores {
		unit, hours := incident.Measure(s)
		add := func(list []ocsfAnomaly, pattern string, value float64) []ocsfAnomaly {
			o := ocsfObservation{Value: number(value), Timespan: timespan(hours)}
			return append(list, ocsfAnomaly{unit + per(hours), "Volume Analysis", pattern, []ocsfObservation{o}})
		}
		a.Anomalies = add(a.Anomalies, pattern(s), s.Observed)
		if s.Own > 0 {
			a.Baselines = add(a.Baselines, "OWN_MAXIMUM", s.Own)
		}
		if s.Peers > 0 && s.Channel.String() == "guard" {
			a.Baselines = add(a.Baselines, "LARGEST_EVER", s.Peers)
		} else if s.Peers > 0 {
			a.Baselines = add(a.Baselines, "PEERS_P99_9", s.Peers)
		}
	}
	return a
}

func pattern(s incident.Score) string {
	if name := s.Channel.String(); name != "" {
		return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	}
	return "OTHER"
}

func per(hours int) string {
	switch {
	case hours == 0:
		return ""
	case hours == 1:
		return "_per_hour"
	case hours == 24:
		return "_per_day"
	}
	return "_per_" + strconv.Itoa(hours/24) + "_days"
}

func timespan(hours int) *ocsfTimespan {
	switch {
	case hours == 0:
		return nil
	case hours < 24:
		return &ocsfTimespan{TypeID: 4, Type: "Hours", Hours: hours}
	}
	return &ocsfTimespan{TypeID: 5, Type: "Days", Days: hours / 24}
}

func number(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
		return "0"
	}
	return strconv.FormatFloat(math.Floor(x), 'f', 0, 64)
}

// figures are the exact counts behind the sentence, for machines.
func figures(inc *incident.Incident) map[string]any {
	return map[string]any{
		"requests": inc.Taken.Requests, "records": inc.Taken.Records, "response_bytes": inc.Taken.ResponseBytes,
		"fresh_objects": inc.Taken.FreshObjects, "sensitive_objects": inc.Taken.SensitiveObjects,
		"sensitive_inspected": inc.SensitiveInspected, "revision": inc.Revision,
		"endpoint": text(inc.Endpoint), "opened_on_arrival": inc.Arrival,
	}
}

// SPDX-License-Identifier: Apache-2.0

package alert

// event is a CloudEvents 1.0 message in structured JSON mode.
type event struct {
	SpecVersion     string       `json:"specversion"`
	ID              string       `json:"id"`
	Source          string       `json:"source"`
	Type            string       `json:"type"`
	Subject         string       `json:"subject"`
	Time            string       `json:"time"`
	DataContentType string       `json:"datacontenttype"`
	DataSchema      string       `json:"dataschema"`
	Data            *ocsfFinding `json:"data"`
}

// The OCSF objects, with the attributes that weir fills. Times are milliseconds since the Unix
// epoch.
type (
	ocsfFinding struct {
		ClassUID     int              `json:"class_uid"`
		ClassName    string           `json:"class_name"`
		CategoryUID  int              `json:"category_uid"`
		CategoryName string           `json:"category_name"`
		ActivityID   int              `json:"activity_id"`
		ActivityName string           `json:"activity_name"`
		TypeUID      int              `json:"type_uid"`
		TypeName     string           `json:"type_name"`
		SeverityID   int              `json:"severity_id"`
		Severity     string           `json:"severity"`
		StatusID     int              `json:"status_id"`
		Status       string           `json:"status"`
		ConfidenceID int              `json:"confidence_id"`
		Confidence   string           `json:"confidence"`
		IsAlert      bool             `json:"is_alert"`
		Time         int64            `json:"time"`
		StartTime    int64            `json:"start_time"`
		EndTime      int64            `json:"end_time"`
		Message      string           `json:"message"`
		Metadata     ocsfMetadata     `json:"metadata"`
		Info         ocsfInfo         `json:"finding_info"`
		Evidences    []ocsfEvidence   `json:"evidences"`
		Observables  []ocsfObservable `json:"observables"`
		Analyses     []ocsfAnalysis   `json:"anomaly_analyses"`
		Unmapped     map[string]any   `json:"unmapped"`
	}
	ocsfProduct struct {
		Name       string `json:"name"`
		VendorName string `json:"vendor_name"`
		Version    string `json:"version,omitempty"`
	}
	ocsfMetadata struct {
		Version        string       `json:"version"`
		UID            string       `json:"uid"`
		CorrelationUID string       `json:"correlation_uid"`
		Product        *ocsfProduct `json:"product"`
		LogName        string       `json:"log_name"`
		Sequence       uint32       `json:"sequence"`
		Labels         []string     `json:"labels"`
	}
	ocsfInfo struct {
		UID           string       `json:"uid"`
		Title         string       `json:"title"`
		Desc          string       `json:"desc"`
		Types         []string     `json:"types"`
		CreatedTime   int64        `json:"created_time"`
		ModifiedTime  int64        `json:"modified_time"`
		FirstSeenTime int64        `json:"first_seen_time"`
		LastSeenTime  int64        `json:"last_seen_time"`
		Analytic      ocsfAnalytic `json:"analytic"`
		Attacks       []ocsfAttack `json:"attacks"`
		Product       *ocsfProduct `json:"product"`
	}
	ocsfAnalytic struct {
		Name    string `json:"name"`
		UID     string `json:"uid"`
		TypeID  int    `json:"type_id"`
		Type    string `json:"type"`
		Version string `json:"version"`
	}
	ocsfNamed struct {
		UID  string `json:"uid"`
		Name string `json:"name"`
	}
	ocsfAttack struct {
		Version   string    `json:"version"`
		Tactic    ocsfNamed `json:"tactic"`
		Technique ocsfNamed `json:"technique"`
	}
	ocsfEvidence struct {
		Name        string         `json:"name"`
		UID         string         `json:"uid,omitempty"`
		Request     *ocsfRequest   `json:"http_request,omitempty"`
		Response    *ocsfResponse  `json:"http_response,omitempty"`
		API         *ocsfAPI       `json:"api,omitempty"`
		Source      *ocsfEndpoint  `json:"src_endpoint,omitempty"`
		Destination *ocsfEndpoint  `json:"dst_endpoint,omitempty"`
		User        *ocsfUser      `json:"user,omitempty"`
		Data        map[string]any `json:"data,omitempty"`
	}
	ocsfRequest struct {
		UID       string   `json:"uid,omitempty"`
		Method    string   `json:"http_method,omitempty"`
		UserAgent string   `json:"user_agent,omitempty"`
		URL       *ocsfURL `json:"url,omitempty"`
	}
	ocsfURL struct {
		Hostname string `json:"hostname,omitempty"`
		Path     string `json:"path"`
	}
	ocsfResponse struct {
		Code int `json:"code"`
	}
	ocsfAPI struct {
		Operation string `json:"operation"`
	}
	ocsfEndpoint struct {
		IP       string `json:"ip,omitempty"`
		Port     int    `json:"port,omitempty"`
		Hostname string `json:"hostname,omitempty"`
	}
	ocsfUser struct {
		UID    string `json:"uid"`
		Name   string `json:"name,omitempty"`
		TypeID int    `json:"type_id"`
		Type   string `json:"type"`
	}
	ocsfObservable struct {
		Name   string `json:"name"`
		TypeID int    `json:"type_id"`
		Type   string `json:"type"`
		Value  string `json:"value"`
	}
	ocsfAnalysis struct {
		Targets   []ocsfTarget  `json:"analysis_targets"`
		Anomalies []ocsfAnomaly `json:"anomalies"`
		Baselines []ocsfAnomaly `json:"baselines,omitempty"`
	}
	ocsfTarget struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	ocsfAnomaly struct {
		Parameter    string            `json:"observation_parameter"`
		Type         string            `json:"observation_type"`
		Pattern      string            `json:"observed_pattern"`
		Observations []ocsfObservation `json:"observations"`
	}
	ocsfObservation struct {
		Value    string        `json:"value"`
		Timespan *ocsfTimespan `json:"timespan,omitempty"`
	}
	ocsfTimespan struct {
		TypeID int    `json:"type_id"`
		Type   string `json:"type"`
		Hours  int    `json:"duration_hours,omitempty"`
		Days   int    `json:"duration_days,omitempty"`
	}
)

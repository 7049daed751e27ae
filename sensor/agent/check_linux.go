// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weir-project/weir/sensor/capture"
	"github.com/weir-project/weir/sensor/config"
)

// finding is one line of the self-check.
type finding struct {
	What   string `json:"what"`
	Have   bool   `json:"have"`
	Needed bool   `json:"needed"` // live capture cannot do without it
	Seen   string `json:"seen"`
	Lost   string `json:"lost,omitempty"`   // without it
	Remedy string `json:"remedy,omitempty"` // what brings it
}

// check says what this machine has, what is needed, and what is lost without it.
func check(_ context.Context, cfg *config.Config, _ []string, env *Env) error {
	findings := []finding{kernel(), rawSockets(), interfaces(), coreDumps(), ebpf(), tls(), keyFile(cfg)}
	missing := 0
	for _, f := range findings {
		if f.Needed && !f.Have {
			missing++
		}
	}
	if cfg.Output == "json" {
		text, err := json.Marshal(findings)
		if err != nil {
			return fmt.Errorf("write the check: %w", err)
		}
		fmt.Fprintf(env.Stdout, "%s\n", text)
	} else {
		printFindings(env.Stdout, findings)
	}
	if missing > 0 {
		return fmt.Errorf("%d of the things that live capture needs are missing; reading capture files works", missing)
	}
	return nil
}

func printFindings(to io.Writer, findings []finding) {
	for _, f := range findings {
		state := "have"
		switch {
		case !f.Have && f.Needed:
			state = "NEED"
		case !f.Have:
			state = "lack"
		}
		fmt.Fprintf(to, "%s  %-16s %s\n", state, f.What, f.Seen)
		if !f.Have {
			fmt.Fprintf(to, "      %-16s lost without it: %s\n", "", f.Lost)
			if f.Remedy != "" {
				fmt.Fprintf(to, "      %-16s remedy: %s\n", "", f.Remedy)
			}
		}
	}
}

func kernel() finding {
	var name unix.Utsname
	f := finding{What: "kernel", Needed: true, Have: true, Lost: "live capture"}
	if err := unix.Uname(&name); err != nil {
		f.Seen, f.Have = err.Error(), false
		return f
	}
	f.Seen = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:]) + " " + unix.ByteSliceToString(name.Machine[:])
	return f
}

// rawSockets opens what run would open, on the loopback interface.
func rawSockets() finding {
	f := finding{What: "packet sockets", Needed: true, Lost: "live capture (run)", Remedy: "run as root, or: sudo setcap cap_net_raw+ep weir-sensor"}
	ring, err := capture.OpenRing("lo", capture.RingConfig{Blocks: 2})
	if err != nil {
		f.Seen = err.Error()
		return f
	}
	ring.Stop()
	_ = ring.Run(nil, nil) // returns at once and frees the ring
	f.Have, f.Seen = true, "CAP_NET_RAW and TPACKET_V3 work on lo"
	return f
}

func interfaces() finding {
	f := finding{What: "interfaces", Needed: true, Lost: "live capture", Remedy: "ip link set dev IFACE up"}
	names, err := capture.Interfaces()
	if err != nil || len(names) == 0 {
		f.Seen = "none"
		if err != nil {
			f.Seen = err.Error()
		}
		return f
	}
	f.Have, f.Seen = true, strings.Join(names, " ")
	if routes := defaultRoutes("/proc/net/route", "/proc/net/ipv6_route"); len(routes) > 0 {
		f.Seen += " (default route: " + strings.Join(routes, " ") + ")"
	}
	return f
}

func coreDumps() finding {
	f := finding{What: "no core dumps", Have: true, Seen: "this process leaves no memory image behind"}
	if on, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || on != 0 {
		f.Have, f.Seen, f.Lost = false, "the process may dump core", "a crash could write credentials to disk"
	}
	return f
}

func ebpf() finding {
	f := finding{What: "BTF", Lost: "nothing yet: no program is loaded into the kernel by this version"}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		f.Seen = "no /sys/kernel/btf/vmlinux"
		return f
	}
	f.Have, f.Seen = true, "/sys/kernel/btf/vmlinux"
	return f
}

// tls is honest about what packets cannot show.
func tls() finding {
	return finding{What: "TLS plaintext", Seen: "no stack is probed by this version",
		Lost:   "whatever is encrypted where the sensor listens: it is counted as not HTTP, never as quiet",
		Remedy: "listen where the traffic is in the clear: behind the load balancer, on lo beside a proxy, or on a decrypting mirror"}
}

func keyFile(cfg *config.Config) finding {
	f := finding{What: "tenant key", Lost: "ids that stay the same: run and read draw a key on first use", Remedy: "--key-file FILE, the same on every sensor of a fleet"}
	info, err := os.Stat(cfg.KeyFile)
	switch {
	case errors.Is(err, os.ErrNotExist):
		f.Seen = cfg.KeyFile + " does not exist yet"
	case err != nil:
		f.Seen = err.Error()
	case info.Mode().Perm()&0o077 != 0:
		f.Seen, f.Remedy = fmt.Sprintf("%s can be read by others", cfg.KeyFile), "chmod 600 "+cfg.KeyFile
	default:
		f.Have, f.Seen = true, cfg.KeyFile
	}
	return f
}

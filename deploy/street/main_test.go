// SPDX-License-Identifier: Apache-2.0

// Package street runs the real binaries against real servers and clients in network namespaces of
// their own, and takes things away from them while they run.
//
// It assumes root, iproute2, and binaries that make build has put into bin/. It refuses to run
// unless WEIR_STREET=1 says so, and to leave a namespace or a process behind.
package street

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const (
	wanted  = "WEIR_STREET"         // 1: run
	clients = "WEIR_STREET_CLIENTS" // the clients' namespace; set in the process that runs the tests
)

// The ends of the cable between the two namespaces.
const (
	serverLink, serverAddr = "weir0", "10.99.0.1"
	clientLink, clientAddr = "weir1", "10.99.0.2"
)

// TestMain runs the tests in a process inside the server's namespace: everything there is the
// tests' own, its loopback interface too.
func TestMain(m *testing.M) {
	if os.Getenv(wanted) != "1" || os.Getenv(clients) != "" {
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "street: FAIL: WEIR_STREET=1 needs root (network namespaces, packet sockets)")
		os.Exit(1)
	}
	runtime.LockOSThread() // children die with this thread
	os.Exit(outside())
}

// outside makes the namespaces, runs the tests in one of them, and removes both.
func outside() int {
	server, client := fmt.Sprintf("weir-server-%d", os.Getpid()), fmt.Sprintf("weir-client-%d", os.Getpid())
	defer func() {
		for _, ns := range []string{server, client} {
			_ = exec.Command("ip", "netns", "del", ns).Run()
		}
	}()
	stop := make(chan os.Signal, 4)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	for _, line := range []string{
		"netns add " + server,
		"netns add " + client,
		"-n " + server + " link set lo up",
		"-n " + client + " link set lo up",
		"-n " + server + " link add " + serverLink + " type veth peer name " + clientLink + " netns " + client,
		"-n " + server + " addr add " + serverAddr + "/24 dev " + serverLink,
		"-n " + client + " addr add " + clientAddr + "/24 dev " + clientLink,
		"-n " + server + " link set " + serverLink + " up",
		"-n " + client + " link set " + clientLink + " up",
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "street: FAIL: ip %s: %v: %s (needs iproute2 and CAP_SYS_ADMIN)\n", line, err, out)
			return 1
		}
	}
	return inside(server, client, stop)
}

func inside(server, client string, stop <-chan os.Signal) int {
	cmd := exec.Command("ip", append([]string{"netns", "exec", server, os.Args[0]}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), clients+"="+client)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "street: FAIL:", err)
		return 1
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-stop:
			_ = cmd.Process.Signal(s)
		case <-ended:
			return cmd.ProcessState.ExitCode()
		}
	}
}

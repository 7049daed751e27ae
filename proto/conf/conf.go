// SPDX-License-Identifier: Apache-2.0

// Package conf reads a command's settings from a YAML file, then WEIR_* environment variables,
// then flags, each overriding the one before.
//
// It assumes that every setting is declared once, with its key, flag and default. It refuses
// unknown keys, and it reports every fault at once, each with its key.
package conf

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Set is the settings of one command. Declare them, then call Parse.
type Set struct {
	command string
	fields  []*field
	file    string
	faults  []string
}

// field is one setting. A list field's set is called once per element.
type field struct {
	key    string // dotted path in the YAML file
	flag   string // long flag without dashes; "" for none
	usage  string
	deflt  string
	list   bool
	toggle bool // a flag that stands alone
	secret bool
	set    func(string) error
	reset  func()
	source string // where the value in force came from
	value  string
}

// Faults is every fault of a configuration, one a line.
type Faults []string

// Error lists the faults.
func (f Faults) Error() string {
	return fmt.Sprintf("%d configuration fault(s):\n  %s", len(f), strings.Join(f, "\n  "))
}

// ErrHelp says that the user asked for help, which was printed.
var ErrHelp = errors.New("help was asked for")

// New makes an empty set for a command such as "weir-sensor".
func New(command string) *Set { return &Set{command: command} }

// prefix is the beginning of the command's environment variables: WEIR_SENSOR_.
func (s *Set) prefix() string {
	return strings.ToUpper(strings.ReplaceAll(s.command, "-", "_")) + "_"
}

func (s *Set) add(f *field) {
	for _, other := range s.fields {
		if other.key == f.key || f.flag != "" && other.flag == f.flag {
			panic("BUG: setting declared twice: " + f.key)
		}
	}
	s.fields = append(s.fields, f)
	if f.deflt != "" {
		if err := f.set(f.deflt); err != nil {
			panic("BUG: default of " + f.key + ": " + err.Error())
		}
	}
	f.value, f.source = f.deflt, "default"
}

// String declares a text setting.
func (s *Set) String(to *string, key, flag, deflt, usage string) {
	s.add(&field{key: key, flag: flag, usage: usage, deflt: deflt, set: func(v string) error { *to = v; return nil }})
}

// Choice declares a text setting with a fixed set of values.
func (s *Set) Choice(to *string, key, flag, deflt, usage string, choices ...string) {
	s.add(&field{key: key, flag: flag, deflt: deflt, usage: usage + " (" + strings.Join(choices, ", ") + ")", set: func(v string) error {
		for _, c := range choices {
			if v == c {
				*to = v
				return nil
			}
		}
		return fmt.Errorf("%q is not one of %s", v, strings.Join(choices, ", "))
	}})
}

// Bool declares a switch.
func (s *Set) Bool(to *bool, key, flag string, deflt bool, usage string) {
	s.add(&field{key: key, flag: flag, usage: usage, deflt: strconv.FormatBool(deflt), toggle: true, set: func(v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("%q is not true or false", v)
		}
		*to = b
		return nil
	}})
}

// Int declares a whole number with bounds, both included.
func (s *Set) Int(to *int64, key, flag string, deflt, low, high int64, usage string) {
	s.add(&field{key: key, flag: flag, usage: usage, deflt: strconv.FormatInt(deflt, 10), set: func(v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < low || n > high {
			return fmt.Errorf("%q is not a whole number from %d to %d", v, low, high)
		}
		*to = n
		return nil
	}})
}

// Float declares a number with bounds, both included.
func (s *Set) Float(to *float64, key, flag string, deflt, low, high float64, usage string) {
	s.add(&field{key: key, flag: flag, usage: usage, deflt: strconv.FormatFloat(deflt, 'g', -1, 64), set: func(v string) error {
		x, err := strconv.ParseFloat(v, 64)
		if err != nil || !(x >= low && x <= high) {
			return fmt.Errorf("%q is not a number from %g to %g", v, low, high)
		}
		*to = x
		return nil
	}})
}

// Duration declares a span of time such as "90s" or "24h".
func (s *Set) Duration(to *time.Duration, key, flag string, deflt, low time.Duration, usage string) {
	s.add(&field{key: key, flag: flag, usage: usage, deflt: deflt.String(), set: func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < low {
			return fmt.Errorf("%q is not a duration of at least %s (such as 90s or 24h)", v, low)
		}
		*to = d
		return nil
	}})
}

// Size declares a number of bytes such as "64MiB"; plain numbers are bytes.
func (s *Set) Size(to *int64, key, flag, deflt, usage string) {
	s.add(&field{key: key, flag: flag, usage: usage, deflt: deflt, set: func(v string) error {
		n, err := parseSize(v)
		if err != nil {
			return err
		}
		*to = n
		return nil
	}})
}

// Strings declares a list. A later source replaces the list of an earlier one; on the command line
// the flag may be given several times or with commas.
func (s *Set) Strings(to *[]string, key, flag, usage string) {
	s.add(&field{key: key, flag: flag, usage: usage, list: true,
		set:   func(v string) error { *to = append(*to, v); return nil },
		reset: func() { *to = nil }})
}

// Prefixes declares a list of address ranges such as "10.0.0.0/8"; a bare address is its own range.
func (s *Set) Prefixes(to *[]netip.Prefix, key, flag, usage string) {
	s.add(&field{key: key, flag: flag, usage: usage, list: true, reset: func() { *to = nil }, set: func(v string) error {
		if addr, err := netip.ParseAddr(v); err == nil {
			*to = append(*to, netip.PrefixFrom(addr, addr.BitLen()))
			return nil
		}
		p, err := netip.ParsePrefix(v)
		if err != nil {
			return fmt.Errorf("%q is not an address or address range", v)
		}
		*to = append(*to, p.Masked())
		return nil
	}})
}

// Secret marks a declared setting so that Effective prints it as redacted.
func (s *Set) Secret(key string) {
	for _, f := range s.fields {
		if f.key == key {
			f.secret = true
			return
		}
	}
	panic("BUG: no such setting: " + key)
}

// parseSize reads a number of bytes with an optional unit: B, KiB, MiB, GiB, KB, MB, GB.
func parseSize(v string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(strings.TrimSpace(v), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.factor {
			break
		}
		return n * u.factor, nil
	}
	return 0, fmt.Errorf("%q is not a size (such as 512KiB or 64MiB)", v)
}

// Parse reads the file named by --config or WEIR_<COMMAND>_CONFIG, the environment (as os.Environ
// gives it) and the arguments, and returns what is left of them: the words that are no flags.
//
// With Faults the words are returned too, so that the caller can add faults of its own.
//
// Flags and words may be mixed. "--" ends the flags; a lone "-" is a word. It returns Faults when
// anything is wrong and ErrHelp after it wrote the help text to help.
func (s *Set) Parse(args, environ []string, help io.Writer) (words []string, err error) {
	s.faults = nil
	flags, words := s.scan(args)
	for _, f := range flags {
		if f.name == "help" || f.name == "h" {
			s.WriteHelp(help)
			return nil, ErrHelp
		}
	}
	env := s.environment(environ)
	s.file = env["config"]
	for _, f := range flags {
		if f.name == "config" {
			s.file = f.value
		}
	}
	if s.file != "" {
		s.readFile(s.file)
	}
	s.applyEnvironment(env)
	s.applyFlags(flags)
	if len(s.faults) > 0 {
		return words, Faults(s.faults)
	}
	return words, nil
}

// File is the configuration file in force, "" if none.
func (s *Set) File() string { return s.file }

func (s *Set) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func (s *Set) assign(f *field, source string, values []string) {
	if f.reset != nil {
		f.reset()
	}
	for _, v := range values {
		if err := f.set(v); err != nil {
			s.fault("%s: %v", source, err)
			return
		}
	}
	f.value, f.source = strings.Join(values, ","), source
}

func (s *Set) byKey(key string) *field {
	for _, f := range s.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

type given struct {
	name, value string
	alone       bool // no "=value" and no following word was taken
}

// scan splits the arguments into flags and words. A flag takes the next argument as its value
// unless it is a switch or has "=value".
func (s *Set) scan(args []string) (flags []given, words []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return flags, append(words, args[i+1:]...)
		}
		if len(arg) < 2 || arg[0] != '-' {
			words = append(words, arg)
			continue
		}
		name, value, has := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		f := s.byFlag(name)
		switch {
		case has:
			flags = append(flags, given{name: name, value: value})
		case name == "help" || name == "h" || f != nil && f.toggle:
			flags = append(flags, given{name: name, value: "true"})
		case i+1 < len(args) && (f != nil || name == "config"):
			i++
			flags = append(flags, given{name: name, value: args[i]})
		default:
			flags = append(flags, given{name: name, alone: true})
		}
	}
	return flags, words
}

func (s *Set) byFlag(name string) *field {
	for _, f := range s.fields {
		if f.flag != "" && (f.flag == name || len(name) == 1 && f.flag == longOf(name)) {
			return f
		}
	}
	return nil
}

// longOf gives the long name of weir's one-letter flags.
func longOf(short string) string {
	if short == "i" {
		return "interface"
	}
	return short
}

func (s *Set) applyFlags(flags []given) {
	lists := map[*field][]string{}
	for _, g := range flags {
		if g.name == "config" {
			if g.alone {
				s.fault("--config: needs a file name")
			}
			continue
		}
		f := s.byFlag(g.name)
		switch {
		case f == nil:
			s.fault("--%s: no such flag", g.name)
		case g.alone:
			s.fault("--%s: needs a value", g.name)
		case f.list:
			lists[f] = append(lists[f], strings.Split(g.value, ",")...)
		default:
			s.assign(f, "--"+g.name, []string{g.value})
		}
	}
	for _, f := range s.fields {
		if values, ok := lists[f]; ok {
			s.assign(f, "--"+f.flag, values)
		}
	}
}

// environment picks the command's variables, keyed by setting: WEIR_SENSOR_NATS__URL is nats.url.
func (s *Set) environment(environ []string) map[string]string {
	found := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		rest, ok := strings.CutPrefix(name, s.prefix())
		if !ok || serviceLink(rest) {
			continue
		}
		found[strings.ToLower(strings.ReplaceAll(rest, "__", "."))] = value
	}
	return found
}

// serviceLink recognises the variables that Kubernetes makes for a service of the command's name.
func serviceLink(rest string) bool {
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_HOST") || strings.HasPrefix(rest, "SERVICE_PORT")
}

func (s *Set) applyEnvironment(env map[string]string) {
	keys := make([]string, 0, len(env))
	for key := range env {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		if key == "config" {
			continue
		}
		name := s.prefix() + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
		f := s.byKey(key)
		if f == nil {
			s.fault("%s: no such setting", name)
			continue
		}
		values := []string{env[key]}
		if f.list {
			values = strings.Split(env[key], ",")
		}
		s.assign(f, name, values)
	}
}

func (s *Set) readFile(name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		s.fault("--config: %v", err)
		return
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		s.fault("%s: %v", name, err)
		return
	}
	if len(root.Content) == 1 {
		s.walk(name, "", root.Content[0])
	}
}

// walk assigns every leaf of the YAML tree to the setting of its dotted path.
func (s *Set) walk(name, path string, node *yaml.Node) {
	if f := s.byKey(path); f != nil && path != "" {
		s.assignNode(name, path, f, node)
		return
	}
	if node.Kind != yaml.MappingNode {
		if path == "" {
			if node.Tag != "!!null" {
				s.fault("%s:%d: the file must hold keys and values", name, node.Line)
			}
			return
		}
		s.fault("%s:%d: %s: no such setting", name, node.Line, path)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := strings.TrimPrefix(path+"."+node.Content[i].Value, ".")
		if seen[key] {
			s.fault("%s:%d: %s: given twice", name, node.Content[i].Line, key)
			continue
		}
		seen[key] = true
		s.walk(name, key, node.Content[i+1])
	}
}

func (s *Set) assignNode(name, path string, f *field, node *yaml.Node) {
	source := fmt.Sprintf("%s:%d: %s", name, node.Line, path)
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null" && f.list:
		s.assign(f, source, nil)
	case node.Kind == yaml.ScalarNode && !f.list:
		s.assign(f, source, []string{node.Value})
	case node.Kind == yaml.SequenceNode && f.list:
		values := make([]string, 0, len(node.Content))
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				s.fault("%s: holds something other than plain values", source)
				return
			}
			values = append(values, item.Value)
		}
		s.assign(f, source, values)
	case f.list:
		s.fault("%s: must be a list", source)
	default:
		s.fault("%s: must be one value", source)
	}
}

// The rules of the command line: which word is the verb, which is the application,
// and what is said about flags that are not appd's.

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/appd-server/appd/internal/config"
)

// invocation is a parsed command line.
type invocation struct {
	verb   *verb
	flags  *pflag.FlagSet
	given  *config.Flags
	file   string   // of -c, "" if it was not given
	args   []string // behind the verb, without flags
	app    string   // the application's word, "" = the file's
	appArg []string // behind --, for a program
}

// newFlags defines all flags of a verb: those of the settings, -c, and its own.
func newFlags(v *verb) (*pflag.FlagSet, *config.Flags, *string) {
	set := pflag.NewFlagSet("appd", pflag.ContinueOnError)
	set.SortFlags = false
	set.Usage = func() {}
	file := set.StringP("config", "c", "", "the configuration file (appd.hcl of the current folder)")
	given := config.AddFlags(set)
	set.BoolP("help", "h", false, "help")
	if v != nil && v.flags != nil {
		v.flags(set)
	}
	set.SetNormalizeFunc(func(s *pflag.FlagSet, name string) pflag.NormalizedName {
		name, _ = config.ResolveFlag(s, name)
		return pflag.NormalizedName(name)
	})
	return set, given, file
}

// parse finds the verb first (the first word that belongs to no flag), then reads
// the whole line with that verb's flags.
func parse(args []string) (*invocation, error) {
	v, rest, err := findVerb(args)
	if err != nil {
		return nil, err
	}
	set, given, file := newFlags(v)
	if err := set.Parse(rest); err != nil {
		return nil, explainFlag(err, set, v)
	}
	in := &invocation{verb: v, flags: set, given: given, file: *file, args: set.Args()}
	if help, _ := set.GetBool("help"); help {
		in.args, in.verb = []string{v.name}, &helpVerb
		if v == &runVerb && !strings.Contains(" "+strings.Join(args, " ")+" ", " run ") {
			in.args = nil
		}
		return in, nil
	}
	if err := checkFile(in.file); err != nil {
		return nil, err
	}
	if err := in.checkScope(); err != nil {
		return nil, err
	}
	return in, in.splitArgs()
}

// checkScope refuses flags of settings on verbs that do not run an application: they
// would be ignored, and somebody meant something by them.
func (in *invocation) checkScope() error {
	if in.verb.takesSettings() {
		return nil
	}
	given := in.given.Given()
	for _, setting := range slices.Sorted(maps.Keys(given)) {
		finds := in.verb.talks && (setting == "bind" || setting == "run_dir")
		if !finds && (setting != "python" || in.verb != &importVerb) {
			return fmt.Errorf("%s means nothing to `appd %s`", given[setting], in.verb.name)
		}
	}
	return nil
}

// takesSettings says whether the flags of settings mean something to a verb.
func (v *verb) takesSettings() bool { return v.app && v != &initVerb }

// splitArgs takes the application from the words behind the verb.
func (in *invocation) splitArgs() error {
	if !in.verb.app {
		return nil
	}
	if n := in.flags.ArgsLenAtDash(); n >= 0 {
		in.args, in.appArg = in.args[:n], in.args[n:]
	}
	switch {
	case len(in.args) > 1:
		return fmt.Errorf("%q is one word too many, after the application %s", in.args[1], in.args[0])
	case len(in.args) == 1:
		in.app = in.args[0]
	case len(in.appArg) > 0:
		return errors.New("arguments behind -- need a program in front of them")
	}
	return nil
}

// findVerb returns the verb and the line without its word.
func findVerb(args []string) (*verb, []string, error) {
	if len(args) == 1 && (args[0] == "-v" || args[0] == "--version") {
		return &versionVerb, nil, nil
	}
	set, _, _ := newFlags(nil)
	set.SetInterspersed(false)
	if err := set.Parse(args); err != nil {
		return nil, nil, explainFlag(err, set, nil)
	}
	words := set.Args()
	if len(words) == 0 || set.ArgsLenAtDash() == 0 {
		return &runVerb, args, nil
	}
	at := len(args) - len(words)
	word := words[0]
	for _, v := range verbs {
		if v.name == word {
			nameClash(word)
			return v, append(append([]string{}, args[:at]...), args[at+1:]...), nil
		}
	}
	if err := plausible(word); err != nil {
		return nil, nil, err
	}
	return &runVerb, args, nil
}

// nameClash says that a verb won over a module of the same name.
func nameClash(word string) {
	if isModule(word) {
		fmt.Fprintf(os.Stderr, "appd: %s is taken as the verb; for the Python module %s here, write: appd run %s\n", word, word, word)
	}
}

func isModule(name string) bool {
	for _, path := range []string{name + ".py", filepath.Join(name, "__init__.py")} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

// plausible refuses a word that looks like a misspelt verb.
func plausible(word string) error {
	if strings.ContainsAny(word, ":/.") || isModule(word) {
		return nil
	}
	var names []string
	for _, v := range verbs {
		names = append(names, v.name)
	}
	if near := config.Nearest(word, names); near != "" {
		return fmt.Errorf("there is no verb %q and no module of that name here\nDid you mean `appd %s`? To run the module %s: appd run %s", word, near, word, word)
	}
	return nil
}

// checkFile refuses gunicorn's kinds of configuration files.
func checkFile(file string) error {
	switch {
	case strings.HasSuffix(file, ".py") || strings.HasPrefix(file, "python:") || strings.HasPrefix(file, "file:"):
		path := strings.TrimPrefix(file, "file:")
		if module, ok := strings.CutPrefix(file, "python:"); ok {
			path = strings.ReplaceAll(module, ".", "/") + ".py"
		}
		return fmt.Errorf("-c takes an appd.hcl, and %s is gunicorn's\nWrite one from it: appd import %s", file, path)
	case strings.HasSuffix(file, ".ini") || strings.HasSuffix(file, ".toml") || strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, ".yml"):
		return fmt.Errorf("-c takes an appd.hcl, not %s\nuWSGI's .ini is read by: appd import %s", file, file)
	}
	return nil
}

// explainFlag says what to do about a flag that does not exist.
func explainFlag(err error, set *pflag.FlagSet, v *verb) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	name := unknown.GetSpecifiedName()
	if shorts := unknown.GetSpecifiedShortnames(); shorts != "" {
		return fmt.Errorf("there is no flag -%s (in -%s)", name, shorts)
	}
	if why, way, ok := config.Foreign(name); ok {
		return fmt.Errorf("--%s is not a flag: %s\n%s", name, why, way)
	}
	if _, fits := config.ResolveFlag(set, name); len(fits) > 1 {
		return fmt.Errorf("--%s could be --%s", name, strings.Join(fits, ", --"))
	}
	if flag := config.FlagOf(strings.ReplaceAll(name, "-", "_")); flag != "" {
		return fmt.Errorf("there is no flag --%s\nThe flag of this setting is --%s", name, flag)
	}
	var names []string
	set.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := config.Nearest(name, names); near != "" {
		return fmt.Errorf("there is no flag --%s\nDid you mean --%s?", name, near)
	}
	for _, other := range verbs {
		if other != v && other.flags != nil {
			own := pflag.NewFlagSet("", pflag.ContinueOnError)
			if other.flags(own); own.Lookup(name) != nil {
				return fmt.Errorf("--%s is a flag of `appd %s`, and stands behind that word", name, other.name)
			}
		}
	}
	return fmt.Errorf("there is no flag --%s", name)
}

// defaultFile is read when no file and no application is named.
const defaultFile = "appd.hcl"

// source says where the configuration of this invocation comes from.
func (in *invocation) source() (config.Source, error) {
	s := config.Source{File: in.file, Flags: in.given}
	if in.app != "" {
		dir, err := os.Getwd()
		if err != nil {
			return s, err
		}
		if s.App, err = config.ParseProgram(in.app, in.appArg, dir); err != nil {
			return s, err
		}
		return s, nil
	}
	if s.File == "" {
		if _, err := os.Stat(defaultFile); err != nil {
			if _, err := os.Stat("gunicorn.conf.py"); err == nil {
				return s, errors.New("there is no appd.hcl here, and no application was named\nWrite one from gunicorn's configuration: appd import gunicorn.conf.py")
			}
			return s, errors.New("there is no appd.hcl here, and no application was named\n" +
				"Name one (`appd shop.wsgi:application`, `appd ./cmd/shop`), a file (`appd -c FILE`), or let `appd init` write appd.hcl")
		}
		s.File = defaultFile
	}
	return s, nil
}

// load reads the configuration of this invocation and shows its warnings.
func (in *invocation) load() (*config.Config, config.Source, error) {
	source, err := in.source()
	if err != nil {
		return nil, source, err
	}
	c, err := config.Load(source)
	if err != nil {
		return nil, source, err
	}
	showWarnings(c)
	return c, source, nil
}

// showWarnings prints what is odd about a configuration for the person who asked.
func showWarnings(c *config.Config) {
	if len(c.Warnings) > 0 {
		fmt.Fprintln(os.Stderr, "warning: "+strings.ReplaceAll(c.Warnings.Error(), "\n\n", "\nwarning: "))
	}
}

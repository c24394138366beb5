// The functions that expressions in appd.hcl may call.

package config

import (
	"fmt"
	"os"
	"runtime"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// cpus is how many processors this process may use: affinity and the cgroup's
// quota count (the runtime looks at both).
func cpus() int { return runtime.GOMAXPROCS(0) }

// evalContext is what expressions see: functions only, no variables.
func evalContext(getenv func(string) (string, bool)) *hcl.EvalContext {
	return &hcl.EvalContext{Functions: map[string]function.Function{
		"min":      stdlib.MinFunc,
		"max":      stdlib.MaxFunc,
		"cpus":     constant(cty.Number, func() (cty.Value, error) { return cty.NumberIntVal(int64(cpus())), nil }),
		"hostname": constant(cty.String, hostname),
		"env":      envFunction(getenv),
	}}
}

func constant(t cty.Type, f func() (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Type: function.StaticReturnType(t),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return f() },
	})
}

func hostname() (cty.Value, error) {
	name, err := os.Hostname()
	return cty.StringVal(name), err
}

// envFunction is env("NAME") and env("NAME", "default"). A variable that is not set
// and has no default is an error: an empty database URL is found here, not at 3 am.
func envFunction(getenv func(string) (string, bool)) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "env takes a name and a default")
			}
			if v, ok := getenv(args[0].AsString()); ok {
				return cty.StringVal(v), nil
			}
			if len(args) == 2 {
				return args[1], nil
			}
			return cty.NilVal, fmt.Errorf("%s is not set in the environment; give a default as the second argument", args[0].AsString())
		},
	})
}

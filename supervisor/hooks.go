// Hooks: commands of the operator at points of the supervisor's life.

package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// runHook runs the hooks of a point beside the loop; what they do changes nothing.
// The end of Run waits for them.
func (s *Supervisor) runHook(on HookPoint, vars ...string) {
	cfg := s.gen.cfg
	s.hooks.Go(func() { s.sys.hook(s.life, cfg, on, vars...) })
}

// hookRunner runs hooks and logs those that fail.
type hookRunner struct {
	log *journal
}

// run runs the hooks of a point one after the other and returns the first failure.
func (h hookRunner) run(ctx context.Context, cfg *Config, on HookPoint, vars ...string) error {
	for _, hook := range cfg.Hooks {
		if hook.On != on {
			continue
		}
		if err := h.command(ctx, cfg, hook, vars); err != nil {
			h.log.Error("hook failed", "hook", string(on), "error", err)
			return err
		}
	}
	return nil
}

// command runs one hook with its whole process group under the limit.
func (h hookRunner) command(ctx context.Context, cfg *Config, hook Hook, vars []string) error {
	if len(hook.Command) == 0 {
		return nil
	}
	if limit := cfg.HookTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, hook.Command[0], hook.Command[1:]...)
	cmd.Env = append(unsetenv(os.Environ(), private...), "APPD_HOOK="+string(hook.On), "APPD_NAME="+cfg.App.Name, fmt.Sprint("APPD_SUPERVISOR_PID=", os.Getpid()))
	cmd.Env = append(cmd.Env, vars...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = lastWords
	var out bytes.Buffer
	cmd.Stdout = &limited{&out, maxLine}
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	for _, line := range lines(out.String()) {
		if line != "" {
			h.log.Info(line, "hook", string(hook.On))
		}
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(hook.Command, " "), err)
	}
	return nil
}

// limited keeps the first n bytes and takes the rest.
type limited struct {
	buf *bytes.Buffer
	n   int
}

func (l *limited) Write(p []byte) (int, error) {
	l.buf.Write(p[:min(len(p), max(l.n-l.buf.Len(), 0))])
	return len(p), nil
}

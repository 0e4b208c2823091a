package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/sirupsen/logrus"
)

// logging makes the image libraries, which log to a global logger, speak
// through ours; without a level they are silent: what matters to a person
// reaches him as an error.
func (a *app) logging(level string) error {
	logrus.SetOutput(io.Discard)
	if level == "" {
		return nil
	}
	l, err := logrus.ParseLevel(level)
	if err != nil {
		return fmt.Errorf("invalid --log-level %q: use debug, info, warn or error", level)
	}
	logrus.SetLevel(l)
	var least slog.Level
	if err := least.UnmarshalText([]byte(l.String())); err != nil {
		least = slog.LevelDebug // trace
		if l == logrus.WarnLevel {
			least = slog.LevelWarn
		}
	}
	a.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: least}))
	logrus.AddHook(hook{a.log})
	return nil
}

// hook hands records of logrus to slog.
type hook struct{ to *slog.Logger }

func (hook) Levels() []logrus.Level { return logrus.AllLevels }

func (h hook) Fire(e *logrus.Entry) error {
	level := slog.LevelDebug
	switch e.Level {
	case logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel:
		level = slog.LevelError
	case logrus.WarnLevel:
		level = slog.LevelWarn
	case logrus.InfoLevel:
		level = slog.LevelInfo
	case logrus.DebugLevel, logrus.TraceLevel:
	}
	attrs := make([]slog.Attr, 0, len(e.Data))
	for k, v := range e.Data {
		attrs = append(attrs, slog.Any(k, v))
	}
	ctx := e.Context
	if ctx == nil {
		ctx = context.Background()
	}
	r := slog.NewRecord(e.Time, level, oneLine(e.Message), 0)
	r.AddAttrs(attrs...)
	return h.to.Handler().Handle(ctx, r)
}

package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/sirupsen/logrus"
)

// logger writes what happens, with times, if --debug was given. libcontainer logs
// through logrus: the adapter joins both. Without --debug
// nothing is logged: errors come back as values and are said once.
func (a *app) logger() *slog.Logger {
	if !a.debug {
		logrus.SetOutput(io.Discard)
		return nil
	}
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.DebugLevel)
	logrus.AddHook(slogHook{log})
	return log
}

type slogHook struct{ log *slog.Logger }

func (slogHook) Levels() []logrus.Level { return logrus.AllLevels }

func (h slogHook) Fire(e *logrus.Entry) error {
	level := slog.LevelDebug
	switch e.Level {
	case logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel:
		level = slog.LevelError
	case logrus.WarnLevel:
		level = slog.LevelWarn
	case logrus.InfoLevel, logrus.DebugLevel, logrus.TraceLevel:
	}
	attrs := make([]slog.Attr, 0, len(e.Data)+1)
	attrs = append(attrs, slog.String("text", e.Message))
	for k, v := range e.Data {
		attrs = append(attrs, slog.Any(k, v))
	}
	h.log.LogAttrs(context.WithoutCancel(contextOf(e)), level, "library", attrs...)
	return nil
}

func contextOf(e *logrus.Entry) context.Context {
	if e.Context != nil {
		return e.Context
	}
	return context.Background()
}

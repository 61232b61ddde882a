package rest

import (
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/regent-ha/regent/internal/jsontext"
)

// sentence answers with a bare sentence.
func sentence(w http.ResponseWriter, status int, text string) {
	write(w, status, "text/html", []byte(text))
}

// bare answers with a status and nothing else.
func bare(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
}

// document answers with JSON.
func document(w http.ResponseWriter, status int, value any) {
	text, err := jsontext.Encode(value)
	if err != nil {
		errorPage(w, http.StatusInternalServerError, err.Error())
		return
	}
	write(w, status, "application/json", text)
}

// errorPage answers with a small HTML page, as people see it in a browser.
func errorPage(w http.ResponseWriter, status int, message string) {
	if message == "" {
		message = http.StatusText(status)
	}
	w.Header().Set("Connection", "close")
	page := fmt.Sprintf("<!DOCTYPE HTML>\n<title>Error response</title>\n<h1>Error response</h1>\n<p>Error code: %d</p>\n<p>Message: %s.</p>\n",
		status, html.EscapeString(strings.TrimSuffix(message, ".")))
	write(w, status, "text/html;charset=utf-8", []byte(page))
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone can't be told so
}

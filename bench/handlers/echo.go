// A runtime of its own: asks the Runtime API for events by the standard library, and returns each.
package main

import (
	"net/http"
	"os"
)

func main() {
	invocations := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		event, err := http.Get(invocations + "next")
		if err != nil {
			panic(err)
		}
		id := event.Header.Get("Lambda-Runtime-Aws-Request-Id")
		answer, err := http.Post(invocations+id+"/response", "application/json", event.Body)
		if err != nil {
			panic(err)
		}
		event.Body.Close()
		answer.Body.Close()
	}
}

// A page that is opened from disk may start no Worker. The search of the site then runs in a hidden frame, which takes the same messages.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.srcdoc = "<!doctype html><title>search</title>"
      frame.addEventListener("load", () => {
        const inner = frame.contentWindow
        inner.postMessage = data => setTimeout(() => {
          if (this.onmessage) this.onmessage(new MessageEvent("message", { data }))
        })
        const script = inner.document.createElement("script")
        script.src = url
        script.addEventListener("load", () => {
          this.inner = inner
          this.waiting.splice(0).forEach(data => this.postMessage(data))
        })
        inner.document.body.append(script)
      }, { once: true })
      this.frame = frame
      document.body.append(frame)
    }
    postMessage(data) {
      if (this.inner) setTimeout(() => this.inner.dispatchEvent(new MessageEvent("message", { data })))
      else this.waiting.push(data)
    }
    terminate() {
      this.frame.remove()
    }
  }
}

/* Login, and what is known of who is signed in. The operator also sees provider status and activity. */

/** A marker in local storage: scripts cannot read the session cookie. */
const signedIn = "understudy signed in"
let activity
const enter = async () => {
  const response = await fetch("api/providers").catch(() => undefined)
  if (response === undefined) return setTimeout(enter, 2000)
  const needsLogin = response.status === 401
  $("enter").hidden = !needsLogin
  $("stage").hidden = needsLogin
  $("tabs").hidden = needsLogin
  $("standing").hidden = !response.ok
  $("prompt-view").classList.toggle("with-status", response.ok)
  activity?.close()
  activity = undefined
  if (needsLogin) {
    localStorage.removeItem(signedIn)
    // What was shown to one key is not left for the next one.
    if (me !== undefined) return location.reload()
  }
  $("leave").hidden = localStorage.getItem(signedIn) === null
  if (needsLogin) return $("key").focus()
  if (response.ok) {
    activity = new EventSource("api/activity")
    activity.addEventListener("message", ({ data }) => onActivity(JSON.parse(data)))
    show(await response.json())
  }
  await showView()
}

$("enter").addEventListener("submit", async (event) => {
  event.preventDefault()
  $("refused").textContent = ""
  const response = await post("login", { key: $("key").value.trim() }).catch(() => undefined)
  if (response?.ok) {
    $("key").value = ""
    localStorage.setItem(signedIn, "yes")
    await enter()
  } else {
    $("refused").textContent = response ? await reasonOf(response) : "The gateway cannot be reached. Try again."
    $("key").select()
  }
})

$("leave").addEventListener("click", async () => {
  await post("logout", {})
  localStorage.removeItem(signedIn)
  location.reload()
})

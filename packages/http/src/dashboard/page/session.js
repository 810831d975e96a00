/* Login. The operator, admins and viewers also see what the gateway does: see `live.js`. */

/** A marker in local storage: scripts cannot read the session cookie. */
const signedIn = "understudy signed in"

/** Shows the page to who is signed in, or the login. */
const enter = async () => {
  const response = await fetch("api/overview").catch(() => undefined)
  setReachable(response !== undefined)
  if (response === undefined) return setTimeout(enter, 2000)
  const needsLogin = response.status === 401
  $("enter").hidden = !needsLogin
  $("stage").hidden = needsLogin
  $("tabs").hidden = needsLogin
  for (const element of document.querySelectorAll("[data-operator]")) element.hidden = !response.ok
  if (needsLogin) {
    localStorage.removeItem(signedIn)
    // What was shown to one key is not left for the next one.
    if (me !== undefined || live.at !== undefined) return location.reload()
  }
  $("leave").hidden = localStorage.getItem(signedIn) === null
  if (needsLogin) return $("key").focus()
  live.isShown = response.ok
  if (response.ok) takeOverview(await response.json())
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

/* Starts when everything above is defined. */
void enter()

// In place of pkgdown's own, which needs scripts from other servers: the headings of a
// page in its margin, and wide tables and pictures that scroll by themselves.
document.addEventListener("DOMContentLoaded", function () {
  var toc = document.getElementById("toc");
  var headings = document.querySelectorAll("main h2[id], main .section[id] > h2");
  if (toc && headings.length > 1) {
    var list = toc.appendChild(document.createElement("ul"));
    list.className = "nav flex-column";
    headings.forEach(function (heading) {
      var link = document.createElement("a");
      link.className = "nav-link";
      link.href = "#" + (heading.id || heading.parentNode.id);
      link.textContent = heading.firstChild.textContent;
      list.appendChild(document.createElement("li")).appendChild(link);
    });
  } else if (toc) {
    toc.remove();
  }
  document.querySelectorAll("main table").forEach(function (table) {
    var frame = document.createElement("div");
    frame.className = "table-responsive";
    table.parentNode.insertBefore(frame, table);
    frame.appendChild(table);
    table.classList.add("table");
  });
});

/* The simulator's camera: shows the person, and takes one frame along when the check ends. */
(function () {
  "use strict";
  var video = document.getElementById("video"), open = document.getElementById("open");
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) { return; }
  open.hidden = false;
  open.addEventListener("click", function () {
    navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" } }).then(function (stream) {
      video.srcObject = stream;
      video.hidden = false;
      document.getElementById("status").hidden = true;
      open.hidden = true;
      return video.play();
    }, function () { document.getElementById("status").textContent = "摄像头无法使用，仍可继续。 The camera can't be used; you can go on."; });
  });
  document.querySelector("form").addEventListener("submit", function () {
    if (video.hidden || !video.videoWidth) { return; }
    var canvas = document.getElementById("canvas");
    canvas.width = 480;
    canvas.height = Math.round(480 * video.videoHeight / video.videoWidth);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    document.getElementById("frame").value = canvas.toDataURL("image/jpeg", 0.85).split(",")[1];
  });
})();
